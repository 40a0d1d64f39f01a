import { deepStrictEqual as deepEqual, match, ok, strictEqual as equal } from "node:assert/strict";
import { readProjectFile } from "../support/source_tree.ts";
import { SEALED_USER } from "../support/sealed_root.ts";

const STORAGE = "/var/lib/electric-ts";

interface Instruction {
  readonly name: string;
  readonly value: string;
}

/** Instructions of a Dockerfile: comments gone, continued lines joined. */
function parseDockerfile(text: string): readonly Instruction[] {
  const lines = text.split("\n").filter((line) => !/^\s*(?:#|$)/.test(line));
  return lines.join("\n").replace(/\s*\\\n\s*/g, " ").split("\n").map((line) => {
    const space = line.indexOf(" ");
    return { name: line.slice(0, space), value: line.slice(space + 1).trim() };
  });
}

const instructions = parseDockerfile(readProjectFile("Dockerfile"));
const stageStarts = instructions.flatMap(({ name }, at) => name === "FROM" ? [at] : []);
const final = instructions.slice(stageStarts[1]);

function valuesOf(name: string, among: readonly Instruction[] = final): string[] {
  return among.filter((instruction) => instruction.name === name).map(({ value }) => value);
}

Deno.test("the image has a stage that builds and one that holds the result", () => {
  equal(stageStarts.length, 2);
  const [build, result] = valuesOf("FROM", instructions);
  match(build, /^node:\d+\.\d+\.\d+-bookworm-slim AS build$/);
  equal(result, "gcr.io/distroless/cc-debian12:nonroot");
});

Deno.test("no image goes by a tag that moves on to another version", () => {
  for (const image of valuesOf("FROM", instructions)) {
    match(image, /^[\w./-]+:[\w.-]+/);
    ok(!/:(?:latest|\d+)(?: |$)/.test(image), image);
  }
});

Deno.test("only known instructions are used, and nothing is added from elsewhere", () => {
  const known = ["FROM", "WORKDIR", "COPY", "ARG", "RUN", "LABEL", "ENV", "VOLUME", "USER"];
  known.push("EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD");
  deepEqual(instructions.filter(({ name }) => !known.includes(name)), []);
  // There is no shell in it, and whatever it holds comes from the stage before.
  deepEqual(valuesOf("RUN"), []);
  for (const copy of valuesOf("COPY")) match(copy, /^--from=build /);
});

Deno.test("the program runs as an ordinary user, by number", () => {
  deepEqual(valuesOf("USER"), [`${SEALED_USER}:${SEALED_USER}`]);
});

Deno.test("the storage is a volume that belongs to the user, and named by the variable", () => {
  deepEqual(valuesOf("VOLUME"), [STORAGE]);
  deepEqual(valuesOf("ENV"), [`ELECTRIC_STORAGE_DIR=${STORAGE}`]);
  const owner = `--chown=${SEALED_USER}:${SEALED_USER}`;
  ok(valuesOf("COPY").some((copy) => copy.includes(owner) && copy.endsWith(` ${STORAGE}`)));
});

Deno.test("programs are started without a shell", () => {
  const [check] = valuesOf("HEALTHCHECK");
  const command = check.slice(check.indexOf("CMD ") + 4);
  deepEqual(JSON.parse(command), ["/electric-ts", "status", "--exit-code"]);
  for (const flag of ["interval", "timeout", "start-period", "retries"]) {
    match(check, new RegExp(`--${flag}=\\d`));
  }
  deepEqual(valuesOf("ENTRYPOINT").map((value) => JSON.parse(value)), [["/electric-ts"]]);
  deepEqual(valuesOf("CMD").map((value) => JSON.parse(value)), [["serve"]]);
});

Deno.test("what is not needed to build stays outside", () => {
  const ignored = readProjectFile(".dockerignore").split("\n");
  for (const name of [".git", "dist", "persistent"]) ok(ignored.includes(name), name);
});
