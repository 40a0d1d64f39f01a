import assert from "node:assert/strict";
import { type Change, mergeByPlace, parseKey, parseMessage } from "../../../cli/tail/tail_event.ts";

Deno.test("parseMessage() reads changes, with their place in the log if they have one", () => {
  const message = {
    key: '"public"."a"/"1"',
    value: { id: "1", b: null },
    old_value: { b: "x" },
    headers: { operation: "update", lsn: "29104832", op_position: 3, txids: [761], last: true },
  };
  assert.deepEqual(parseMessage("a", message), {
    kind: "change",
    change: {
      table: "a",
      operation: "update",
      key: '"public"."a"/"1"',
      value: { id: "1", b: null },
      oldValue: { b: "x" },
      place: { lsn: 29104832n, position: 3 },
      txids: [761],
    },
  });
  const row = parseMessage("a", { key: "k", value: { id: "1" }, headers: { operation: "insert" } });
  assert(row?.kind === "change");
  assert.deepEqual([row.change.place, row.change.oldValue, row.change.txids], [
    undefined,
    undefined,
    [],
  ]);
});

Deno.test("parseMessage() reads control messages and leaves out what it does not know", () => {
  assert.deepEqual(parseMessage("a", { headers: { control: "up-to-date" } }), {
    kind: "control",
    control: "up-to-date",
  });
  for (const other of [null, 1, {}, { headers: {} }, { headers: { event: "move-out" } }]) {
    assert.equal(parseMessage("a", other), undefined);
  }
});

Deno.test("parseKey() takes keys apart as the server puts them together", () => {
  assert.deepEqual(parseKey('"public"."issues"/"17"'), ["17"]);
  assert.deepEqual(parseKey('"public"."a"/"x"/"y z"'), ["x", "y z"]);
  assert.deepEqual(parseKey('"public"."a"/"10.0.0.1//32"/"a""'), ["10.0.0.1/32", 'a"']);
  assert.equal(parseKey("17"), undefined);
});

function changesOf(table: string, ...places: (readonly [bigint, number] | undefined)[]): Change[] {
  return places.map((place, i) => ({
    table,
    operation: "insert",
    key: `${table}${i}`,
    value: {},
    oldValue: undefined,
    place: place && { lsn: place[0], position: place[1] },
    txids: [],
  }));
}

Deno.test("mergeByPlace() interleaves tables by transaction and position within", () => {
  const a = changesOf("a", [10n, 0], [10n, 4], [30n, 0]);
  const b = changesOf("b", [10n, 2], [20n, 0]);
  assert.deepEqual(mergeByPlace([a, b]).map(({ key }) => key), ["a0", "b0", "a1", "b1", "a2"]);
});

Deno.test("mergeByPlace() keeps what has no place behind what its table had before", () => {
  const a = changesOf("a", [10n, 0], undefined, [30n, 0]);
  const b = changesOf("b", undefined, [20n, 0], [40n, 0]);
  assert.deepEqual(mergeByPlace([a, b]).map(({ key }) => key), [
    ...["b0", "a0", "a1", "b1", "a2", "b2"],
  ]);
});
