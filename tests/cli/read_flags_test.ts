import assert from "node:assert/strict";
import { STATUS_FLAGS, TAIL_FLAGS } from "../../cli/command_flags.ts";
import { UsageError } from "../../cli/usage_error.ts";
import { readFlags, serverUrlOf } from "../../cli/read_flags.ts";

function tail(given: Record<string, string[]>, env: Record<string, string> = {}) {
  return readFlags("tail", TAIL_FLAGS, new Map(Object.entries(given)), env);
}

Deno.test("readFlags() gives defaults where nothing was given", () => {
  const { tables, params, since, isFollowing, isJson, limit, secret } = tail({});
  assert.deepEqual([tables, params, since, isFollowing, isJson, limit, secret], [
    [],
    [],
    "-1",
    true,
    false,
    undefined,
    undefined,
  ]);
});

Deno.test("readFlags() keeps all of a repeatable flag and the last of another", () => {
  const flags = tail({ table: ["a", "b"], param: ["1=x=y", "$2="], limit: ["1", "5"] });
  assert.deepEqual(flags.tables, ["a", "b"]);
  assert.deepEqual(flags.params, [{ place: "1", value: "x=y" }, { place: "2", value: "" }]);
  assert.equal(flags.limit, 5);
});

Deno.test("readFlags() takes flags over the environment, secrets also from files", () => {
  assert.equal(tail({ secret: ["flag"] }, { ELECTRIC_SECRET: "env" }).secret, "flag");
  assert.equal(tail({}, { ELECTRIC_SECRET: "env" }).secret, "env");
  assert.equal(tail({}, { ELECTRIC_SECRET: "" }).secret, undefined);
  const path = Deno.makeTempFileSync();
  try {
    Deno.writeTextFileSync(path, "of the file\n");
    assert.equal(tail({}, { ELECTRIC_SECRET_FILE: path }).secret, "of the file");
  } finally {
    Deno.removeSync(path);
  }
});

Deno.test("readFlags() names the flag or variable that can't be read", () => {
  const refused: readonly (readonly [Record<string, string[]>, Record<string, string>, RegExp])[] =
    [
      [{ since: ["yesterday"] }, {}, /^--since: Expected "now", "-1" or an offset/],
      [{ param: ["x"] }, {}, /^--param: Expected a place/],
      [{ url: ["localhost:3000"] }, {}, /^--url: Expected an address/],
      [{}, { ELECTRIC_URL: "ftp://x" }, /^ELECTRIC_URL: Expected an address/],
      [{}, { ELECTRIC_SECRET_FILE: "/nowhere/x" }, /^ELECTRIC_SECRET: /],
    ];
  for (const [given, env, message] of refused) {
    assert.throws(() => tail(given, env), (error) => {
      assert(error instanceof UsageError);
      assert.match(error.message, message);
      return error.topic === "tail";
    });
  }
});

Deno.test("the server's address is cut to what paths can follow, and found by its port", () => {
  const given = new Map([["url", ["https://a.example/sync/?x=1#y"]]]);
  const { url } = readFlags("status", STATUS_FLAGS, given, {});
  assert.equal(url, "https://a.example/sync");
  assert.equal(serverUrlOf(url, { ELECTRIC_PORT: "1" }), "https://a.example/sync");
  assert.equal(serverUrlOf(undefined, { ELECTRIC_PORT: "4000" }), "http://localhost:4000");
  assert.equal(serverUrlOf(undefined, { ELECTRIC_PORT: "many" }), "http://localhost:3000");
});
