import assert from "node:assert/strict";
import {
  formatDifference,
  formatItem,
  formatList,
  sortShapes,
} from "../../../cli/inspect/inspect_text.ts";
import { addRates, type ListedShape } from "../../../cli/inspect/change_rates.ts";

function shape(handle: string, changes: Partial<ListedShape> = {}): ListedShape {
  return {
    handle,
    table: { schema: "public", name: "items" },
    where: null,
    columns: null,
    key_columns: null,
    replica: "default",
    log: "full",
    state: "live",
    slow: false,
    head: "0_inf",
    snapshot_bytes: 0,
    log_bytes: 0,
    log_bytes_exact: true,
    appended_changes: 0,
    appended_bytes: 0,
    changes_per_second: null,
    last_used: null,
    waiters: 0,
    ...changes,
  };
}

Deno.test("sortShapes() puts great numbers and late times first, words from A to Z", () => {
  const shapes = [
    shape("b", { log_bytes: 1, last_used: "2026-01-01T00:00:00.000Z" }),
    shape("a", { log_bytes: 20, last_used: "2026-03-01T00:00:00.000Z" }),
    shape("c", { log_bytes: 3, last_used: "2026-02-01T00:00:00.000Z" }),
  ];
  const order = (field: string) => sortShapes(shapes, field).map(({ handle }) => handle).join("");
  assert.equal(order("log_bytes"), "acb");
  assert.equal(order("handle"), "abc");
  assert.equal(order("last_used"), "acb");
  assert.equal(order("nonsense"), "bac");
});

Deno.test("formatList() has a line for each shape, with its condition as SQL", () => {
  const shapes = [
    shape("h-1", { appended_changes: 30, changes_per_second: 3, where: `"a" = 'x\ny'` }),
    shape("h-2", { log_bytes: 20 * 2 ** 20, log_bytes_exact: false }),
  ];
  const lines = formatList({ uptime_seconds: 10, shapes }).split("\n");
  assert.equal(lines.length, 4);
  assert.match(lines[1], /^h-1 +public\.items +live +0 B +0 B +30 +3 +0 +- +"a" = 'x\\ny'$/);
  assert.match(lines[2], /^h-2 .* ~20\.0 MiB +0 +- +0 +-$/);
  assert.equal(formatList({ uptime_seconds: 10, shapes: [] }), "There are no shapes.\n");
});

Deno.test("addRates() counts between two looks, and from 0 for what is new", () => {
  const look = (uptime_seconds: number, counts: Record<string, number>) => ({
    uptime_seconds,
    shapes: Object.entries(counts).map(([handle, appended_changes]) =>
      shape(handle, { appended_changes })
    ),
  });
  const rates = (before: Record<string, number>, after: Record<string, number>, uptime: number) =>
    addRates(look(10, before), look(uptime, after)).shapes.map((one) => one.changes_per_second);
  assert.deepEqual(rates({ a: 5, b: 7, gone: 1 }, { b: 8, a: 5, new: 3 }, 12), [0.5, 0, 1.5]);
  // The process started again in between.
  assert.deepEqual(rates({ a: 500 }, { a: 5 }, 2), [2.5]);
});

Deno.test("what comes from rows can't steer a terminal", () => {
  const escape = "\x1b[2J\x07\r\n";
  const texts = [
    formatItem({ key: escape, value: { v: escape }, headers: { operation: "insert" } }),
    formatItem({ headers: { control: "snapshot-end", odd: escape } }),
    formatDifference({ kind: "missing", key: escape, value: { [escape]: escape } }),
    formatDifference({ kind: "different", key: "a", columns: { [escape]: [escape, null] } }),
    formatList({ uptime_seconds: 1, shapes: [shape("h", { where: escape })] }),
    formatList({
      uptime_seconds: 1,
      shapes: [shape("h", { table: { schema: escape, name: escape } })],
    }),
  ];
  for (const text of texts) {
    // deno-lint-ignore no-control-regex
    assert.doesNotMatch(text, /[\x00-\x09\x0b-\x1f]/);
    assert(text.endsWith("\n"));
  }
});
