/** The house rules about whole files. Those that need to see the code are in support/lint_house.ts. */

import assert from "node:assert/strict";
import { formatConfigurationPage } from "../cli/configuration_page.ts";
import { readProjectFile, readSources, type SourceFile } from "./support/source_tree.ts";

const FILE_LINES_MAX = 400;
const FILE_LINES_MEDIAN_MAX = 120;
const BARREL_NAMES = /(?:^|\/)(?:mod|index|utils?|common|helpers?|types|misc)\.ts$/;
const FOLDERS = ["cli", "client", "replication", "server", "shapes"];

const sources = readSources();
const house = sources.filter(({ path }) => FOLDERS.includes(path.split("/")[0]));

function countLines({ text }: SourceFile): number {
  return text.split("\n").length - 1;
}

/** The files for which it holds, for a message that names them. */
function pathsWhere(files: readonly SourceFile[], test: (file: SourceFile) => boolean): string[] {
  return files.filter(test).map(({ path }) => path);
}

Deno.test("the tree has sources in every folder of the house", () => {
  for (const folder of FOLDERS) {
    assert(house.some(({ path }) => path.startsWith(`${folder}/`)), `"${folder}/" has none`);
  }
});

Deno.test(`no file has more than ${FILE_LINES_MAX} lines`, () => {
  const long = sources.filter((file) => countLines(file) > FILE_LINES_MAX);
  assert.deepEqual(long.map((file) => `${file.path}: ${countLines(file)}`), []);
});

Deno.test(`the median file has at most ${FILE_LINES_MEDIAN_MAX} lines`, () => {
  const counts = house.map(countLines).toSorted((a, b) => a - b);
  assert(
    counts[counts.length >> 1] <= FILE_LINES_MEDIAN_MAX,
    `It has ${counts[counts.length >> 1]}`,
  );
});

Deno.test("files are named in snake case after what they hold", () => {
  const names = pathsWhere(sources, ({ path }) => !/^(?:[a-z0-9_]+\/)*[a-z0-9_]+\.ts$/.test(path));
  assert.deepEqual(names, []);
  assert.deepEqual(pathsWhere(sources, ({ path }) => BARREL_NAMES.test(path)), []);
});

Deno.test("nothing is left to do or switched off", () => {
  // Spelled so that this file does not hold them.
  const words = new RegExp(
    `\\b(?:${["TO", "FIX"].join("DO|")}ME|XX${"X"})\\b|@ts-(?:ignore|nocheck)`,
  );
  assert.deepEqual(pathsWhere(sources, ({ text }) => words.test(text)), []);
  const skipped = /Deno\.test\.(?:ignore|only)|\b(?:ignore|only): true/;
  const tests = sources.filter(({ path }) => path.startsWith("tests/"));
  assert.deepEqual(
    pathsWhere(tests, ({ path, text }) => path !== "tests/tidy_test.ts" && skipped.test(text)),
    [],
  );
});

Deno.test("test files are named after what they test", () => {
  const holdTests = pathsWhere(
    sources,
    ({ text }) => /^\s*Deno\.test\(/m.test(text),
  );
  const misnamed = holdTests.filter((path) =>
    !/_(?:test|contract)\.ts$/.test(path) && !path.endsWith("_cases.ts")
  );
  assert.deepEqual(misnamed, []);
});

Deno.test("each invariant of docs/ARCHITECTURE.md names a test that is there", () => {
  const lines = readProjectFile("docs/ARCHITECTURE.md").split("\n");
  const starts = lines.flatMap((line, at) => /^\W*I\d+\b/.test(line) ? [at] : []);
  assert(starts.length >= 10, `Found ${starts.length} invariants`);
  for (const at of starts) {
    const end = lines.findIndex((line, i) =>
      i > at && (line.trim() === "" || /^\W*I\d+\b/.test(line))
    );
    const entry = lines.slice(at, end < 0 ? undefined : end).join(" ");
    const named = [...entry.matchAll(/tests\/[\w/]+\.ts/g)].map(([path]) => path);
    assert(named.length > 0, `No test is named by: ${entry}`);
    for (const path of named) {
      assert(sources.some((file) => file.path === path), `"${path}" is missing`);
    }
  }
});

Deno.test("docs/configuration.md is what the option table says (deno task docs)", () => {
  assert.equal(readProjectFile("docs/configuration.md"), formatConfigurationPage());
});
