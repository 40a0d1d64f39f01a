import assert from "node:assert/strict";
import plugin, { judgeImport } from "./lint_house.ts";

/** Runs the plugin over a source as if it stood at a path of the project; returns the messages. */
function lint(path: string, source: string): readonly string[] {
  return Deno.lint.runPlugin(plugin, `/house/${path}`, source).map(({ message }) => message);
}

Deno.test("judgeImport() lets imports run one way", () => {
  const allowed = [
    ["shapes/log/kv_store.ts", "../change.ts"],
    ["replication/stream.ts", "../shapes/change.ts"],
    ["server/plan.ts", "./protocol.ts"],
    ["cli/serve.ts", "../server/listen.ts"],
    ["cli/help.ts", "../deno.json"],
    ["main.ts", "./cli/run.ts"],
    ["shapes/row.ts", "node:crypto"],
    ["client/watch_fallback.ts", "./status.ts"],
  ];
  for (const [from, to] of allowed) assert.equal(judgeImport(from, to), undefined, `${from} ${to}`);
  const forbidden = [
    ["shapes/change.ts", "../replication/lsn.ts"],
    ["shapes/log/kv_store.ts", "../../server/protocol.ts"],
    ["replication/stream.ts", "../server/protocol.ts"],
    ["server/plan.ts", "../replication/lsn.ts"],
    ["server/plan.ts", "../cli/options.ts"],
    ["cli/serve.ts", "../tests/support/postgres.ts"],
    ["cli/serve.ts", "../main.ts"],
    ["main.ts", "./cli/serve.ts"],
    ["client/status.ts", "../server/protocol.ts"],
    ["server/plan.ts", "../client/status.ts"],
  ];
  for (const [from, to] of forbidden) assert(judgeImport(from, to), `${from} ${to}`);
});

Deno.test("house/imports looks at dynamic imports too, and refuses re-exports", () => {
  assert.deepEqual(lint("server/a.ts", 'await import("../replication/lsn.ts");'), [
    '"server/" must not import from "replication/"',
  ]);
  assert.deepEqual(lint("shapes/a.ts", 'export * from "./b.ts";'), [
    "Import the file that owns the name: no re-exports",
  ]);
  assert.deepEqual(lint("shapes/a.ts", 'export { b } from "./b.ts";'), [
    "Import the file that owns the name: no re-exports",
  ]);
  assert.deepEqual(lint("shapes/a.ts", "export default 1;"), ["Export by name"]);
  assert.deepEqual(lint("shapes/a.ts", "export const a = 1;"), []);
});

Deno.test("house/reserved keeps effects in the files that own them", () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ["postgres(url);", "replication/source.ts", "replication/connection.ts"],
    ["await openKv(path);", "shapes/log/kv_store.ts", "cli/serve.ts"],
    ["Deno.serve(() => new Response());", "server/router.ts", "server/listen.ts"],
    ['Deno.env.get("PORT");', "cli/serve.ts", "cli/run.ts"],
    ["run(Deno.args);", "cli/serve.ts", "main.ts"],
  ];
  for (const [source, refused, allowed] of cases) {
    assert.equal(lint(refused, source).length, 1, `${refused}: ${source}`);
    assert.equal(lint(allowed, source).length, 0, `${allowed}: ${source}`);
  }
  assert.deepEqual(lint("cli/run.ts", "console.log(1);"), ['"console" is not for "cli/run.ts"']);
  assert.deepEqual(lint("tests/pg/a_test.ts", "console.log(postgres(Deno.args[0]));"), []);
});

Deno.test("house/protocol-words keeps the words of the protocol in one file", () => {
  const source = 'headers.set("electric-handle", x); if (path === "/v1/shape") y("plain words");';
  assert.equal(lint("server/respond.ts", source).length, 2);
  assert.deepEqual(lint("server/protocol.ts", source), []);
  assert.deepEqual(lint("shapes/a.ts", source), []);
});

Deno.test("house/any-runtime keeps the client's code free of Deno and of packages", () => {
  assert.deepEqual(lint("client/a.ts", "await Deno.connect({ port: 1 });"), [
    "Browsers have no Deno",
  ]);
  assert.deepEqual(lint("client/a.ts", 'import { Shape } from "@electric-sql/client"; Shape;'), [
    "Import types only",
  ]);
  assert.deepEqual(lint("client/a.ts", 'import type { Row } from "@electric-sql/client";'), []);
  assert.deepEqual(lint("client/a.ts", 'import { b } from "./b.ts"; b();'), []);
  assert.deepEqual(lint("cli/a.ts", "await Deno.connect({ port: 1 });"), []);
});

Deno.test("house/function-length refuses functions of more than 70 lines, tests too", () => {
  const body = (lines: number) => `function f() {${"\n".repeat(lines - 1)}}`;
  for (const path of ["shapes/a.ts", "tests/pg/a_test.ts"]) {
    assert.deepEqual(lint(path, body(70)), []);
    assert.deepEqual(lint(path, body(71)), ["Function has 71 lines, more than 70"]);
  }
});
