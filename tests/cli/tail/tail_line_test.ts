import assert from "node:assert/strict";
import type { Change } from "../../../cli/tail/tail_event.ts";
import { formatChange, formatChangeJson, formatEventJson } from "../../../cli/tail/tail_line.ts";
import { painter } from "../../../cli/terminal.ts";

const NOW_MS = Date.parse("2026-05-01T12:00:00.123Z");

function change(changed: Partial<Change>): Change {
  return {
    table: "issues",
    operation: "insert",
    key: '"public"."issues"/"17"',
    value: { id: "17", title: "Rain today", status: "open", note: null },
    oldValue: undefined,
    place: undefined,
    txids: [],
    ...changed,
  };
}

function line(changed: Partial<Change>): string {
  return formatChange(change(changed), ["id"], NOW_MS, painter(false));
}

Deno.test("formatChange() tells operation, table, key and the other columns", () => {
  assert.equal(
    line({}),
    '12:00:00.123 insert issues 17  title: "Rain today"  status: open  note: null\n',
  );
  assert.equal(
    line({ operation: "delete", value: { id: "17" } }),
    "12:00:00.123 delete issues 17\n",
  );
});

Deno.test("formatChange() shows old and new of what an update changed", () => {
  const update = { operation: "update", value: { id: "17", status: "done", title: "Rain" } };
  assert.equal(
    line({ ...update, oldValue: { status: "open" } }),
    "12:00:00.123 update issues 17  status: open → done\n",
  );
  assert.equal(line(update), "12:00:00.123 update issues 17  status: done  title: Rain\n");
});

Deno.test("formatChange() tells null from the text, and shortens long values", () => {
  assert(line({ value: { a: "null", b: "" } }).endsWith('a: "null"  b: ""\n'));
  assert(line({ value: { a: "x".repeat(500) } }).endsWith(`a: ${"x".repeat(100)}…\n`));
});

Deno.test("formatChange() lets no control character through, wherever it stands", () => {
  const evil = "\x1b]0;x\x07\n";
  const text = line({ operation: evil, table: evil, key: evil, value: { [evil]: evil } });
  assert.equal(text.length, text.trimEnd().length + 1);
  // deno-lint-ignore no-control-regex
  assert(!/[\u0000-\u001f]/.test(text.trimEnd()), text);
});

Deno.test("formatChange() colours by operation", () => {
  const text = formatChange(change({ operation: "delete" }), [], NOW_MS, painter(true));
  assert(text.includes("\x1b[31mdelete\x1b[39m"));
});

Deno.test("formatChangeJson() has the documented names, and null where there is nothing", () => {
  const place = { lsn: 29104832n, position: 2 };
  assert.deepEqual(JSON.parse(formatChangeJson(change({ place, txids: [7] }), NOW_MS)), {
    time: "2026-05-01T12:00:00.123Z",
    table: "issues",
    operation: "insert",
    key: '"public"."issues"/"17"',
    value: { id: "17", title: "Rain today", status: "open", note: null },
    old_value: null,
    lsn: "29104832",
    offset: "29104832_2",
    txids: [7],
  });
  const { lsn, offset, old_value } = JSON.parse(
    formatChangeJson(change({ oldValue: { status: "x" } }), NOW_MS),
  );
  assert.deepEqual([lsn, offset, old_value], [null, null, { status: "x" }]);
});

Deno.test("formatEventJson() is one line", () => {
  assert.equal(
    formatEventJson(NOW_MS, { table: "a\n", control: "up-to-date" }),
    '{"time":"2026-05-01T12:00:00.123Z","table":"a\\n","control":"up-to-date"}\n',
  );
});
