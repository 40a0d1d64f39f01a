import { deepStrictEqual as deepEqual, ok, strictEqual as equal, throws } from "node:assert/strict";
import fc from "fast-check";
import type { ShapeDefinition } from "../../../shapes/definition.ts";
import { ItemScanner, ItemSplitter, parseDigits } from "../../../shapes/reconcile/item_scanner.ts";
import { cell, check, identifierText } from "../../support/arbitrary.ts";
import { isItem, type Message, parseMessages } from "../../support/log_replayer.ts";
import { ItemBytes, type Scanned, scanned, type Texts } from "../../support/scanned_items.ts";
import { definition, table } from "../../support/shape_fixture.ts";

const FULL = { replica: "full" } as const;
const names = ({ columns }: ShapeDefinition) => columns.map(({ name }) => name);

/** All items, read from pieces of the given size. */
function scanAll(of: ShapeDefinition, bytes: Uint8Array, pieceBytes = Infinity): Scanned[] {
  const scanner = new ItemScanner(names(of));
  const splitter = new ItemSplitter(scanner);
  const found: Scanned[] = [];
  const visit = (source: Uint8Array, start: number, end: number) => {
    equal(source[start], 0x2c);
    ok(end <= source.length);
    found.push(scanned(scanner, source));
  };
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    splitter.push(bytes.subarray(at, Math.min(bytes.length, at + pieceBytes)), visit);
  }
  splitter.finish(visit);
  return found;
}

/** The same, by parsing the JSON. */
function parseAll(of: ShapeDefinition, bytes: Uint8Array): Scanned[] {
  return parseMessages(bytes).map((message: Message): Scanned => {
    if (!isItem(message)) return { kind: "control", key: "", values: [], lsn: "", xid: undefined };
    const { key, value, headers: { operation, lsn = "", txids } } = message;
    const values = names(of).map((name) => Object.hasOwn(value, name) ? value[name] : undefined);
    return { kind: operation, key, values, lsn, xid: txids?.[0] };
  });
}

/** One of every kind of item. */
function everyKind(of: ShapeDefinition): Uint8Array {
  const row: Texts = ["1", null, 'a"b\\c\n{}[],'];
  return new ItemBytes(of).snapshotRow(row).insert(row).update(undefined, row)
    .update(row, ["1", "2", row[2]]).update(row, ["1", null, null]).update(row, row)
    .delete(row).keyChange(row, ["2", "", "ü🚀"]).reconciled(row, []).reconciled(row, [7, 8, 9])
    .control({ control: "snapshot-end", xmin: "1", xmax: "2", xip_list: ["{", "]"] })
    .insert(row, true).update(row, ["1", "5", ""], true).delete(row, true)
    .keyChange(row, ["3", "x", null], true).take();
}

for (const changed of [{}, FULL]) {
  const of = definition(table(), changed);
  const bytes = everyKind(of);

  Deno.test(`ItemScanner reads every kind of item, replica ${of.replica}`, () => {
    deepEqual(scanAll(of, bytes), parseAll(of, bytes));
  });

  Deno.test(`ItemSplitter reads the same from pieces of any size, replica ${of.replica}`, () => {
    const expected = parseAll(of, bytes);
    for (let size = 1; size < 300; size++) deepEqual(scanAll(of, bytes, size), expected);
  });

  Deno.test(`ItemScanner takes a cut item for one whose end is to come, replica ${of.replica}`, () => {
    const scanner = new ItemScanner(names(of));
    for (let at = 0; at < bytes.length;) {
      const end = scanner.scan(bytes, at);
      ok(end > at);
      for (let cut = at + 1; cut < end; cut++) {
        equal(scanner.scan(bytes.subarray(0, cut), at), -1, `cut at ${cut - at}`);
      }
      at = end;
    }
  });
}

Deno.test("ItemSplitter.finish() throws on an item that is cut off", () => {
  const of = definition();
  const bytes = new ItemBytes(of).insert(["1", "2", "3"]).take();
  for (let cut = 1; cut < bytes.length; cut++) {
    throws(() => scanAll(of, bytes.subarray(0, cut)), SyntaxError);
  }
});

Deno.test("ItemSplitter puts a large item together without reading it over and over", () => {
  const of = definition();
  const long = "x".repeat(3_000_000);
  const bytes = new ItemBytes(of).insert(["1", null, "y"]).insert(["2", null, long])
    .insert(["3", null, "z"]).take();
  const scanner = new ItemScanner(names(of));
  let scans = 0;
  const scan = scanner.scan.bind(scanner);
  scanner.scan = (source, at) => (scans++, scan(source, at));
  const splitter = new ItemSplitter(scanner);
  const found: string[] = [];
  const visit = (source: Uint8Array) => found.push(scanned(scanner, source).key);
  for (let at = 0; at < bytes.length; at += 1000) {
    splitter.push(bytes.subarray(at, at + 1000), visit);
  }
  splitter.finish(visit);
  deepEqual(found.map((key) => key.at(-2)), ["1", "2", "3"]);
  ok(scans < 40, `${scans} scans`);
});

Deno.test("ItemScanner finds columns whose names are longer than all that follows", () => {
  const long = '"'.repeat(63) + "\x01".repeat(60);
  const of = definition(table({ columns: [{ name: "z", keyIndex: 0 }, { name: long }] }));
  const bytes = new ItemBytes(of).update(["1", "a"], ["1", "b"]).update(["1", "a"], ["1", "a"])
    .delete(["1", "a"]).take();
  deepEqual(scanAll(of, bytes), parseAll(of, bytes));
});

Deno.test("ItemScanner throws or wants more where a structural byte is another, and ends", () => {
  const of = definition();
  const row: Texts = ["1", null, 'a"b\\c\n{}[],'];
  const bytes = new ItemBytes(of).snapshotRow(row).insert(row).update(undefined, row)
    .update(row, ["1", "2", row[2]]).delete(row).keyChange(row, ["2", "", "ü"], true).take();
  const expected = scanAll(of, bytes);
  for (let at = 0; at < bytes.length; at++) {
    for (const code of [0x00, 0x22, 0x2c, 0x5c, 0x7b, 0x7d, 0x5d, 0x30, 0x61, 0xff]) {
      const mutated = bytes.slice();
      mutated[at] = code;
      let found: Scanned[];
      try {
        found = scanAll(of, mutated);
      } catch (error) {
        ok(error instanceof SyntaxError, `${error}`);
        continue;
      }
      // What still reads is one item for each, and at most one of them says something else.
      equal(found.length, expected.length, `byte ${at} as ${code}`);
      const other = found.filter((item, i) => JSON.stringify(item) !== JSON.stringify(expected[i]));
      ok(other.length <= 1);
    }
  }
});

Deno.test("ItemScanner refuses what is no item", () => {
  const scanner = new ItemScanner(["id"]);
  const texts = ["{}", ",,", ",[]", ',{"value":{}}', ",null", ',{"key":"a","headers":{}}'];
  for (const text of texts) {
    throws(() => scanner.scan(new TextEncoder().encode(text), 0), SyntaxError, text);
  }
});

Deno.test("parseDigits() reads positions of any size", () => {
  const bytes = new TextEncoder().encode("x18446744073709551615y0");
  equal(parseDigits(bytes, 1, 21), 18446744073709551615n);
  equal(parseDigits(bytes, 22, 23), 0n);
});

Deno.test("ItemScanner reads whatever ItemEncoder writes", () => {
  const column = fc.record({ name: identifierText, isKey: fc.boolean() });
  const columns = fc.uniqueArray(column, { minLength: 1, maxLength: 5, selector: (c) => c.name });
  const cases = columns.chain((sketches) => {
    const row = fc.array(cell, { minLength: sketches.length, maxLength: sketches.length });
    return fc.record({
      sketches: fc.constant(sketches),
      rows: fc.array(fc.tuple(row, row, fc.nat(5)), { minLength: 1, maxLength: 6 }),
      isFull: fc.boolean(),
      pieceBytes: fc.integer({ min: 1, max: 200 }),
    });
  });
  check(
    fc.property(cases, ({ sketches, rows, isFull, pieceBytes }) => {
      const of = definition(
        table({
          columns: sketches.map(({ name, isKey }, i) => ({ name, keyIndex: isKey ? i : null })),
        }),
        isFull ? FULL : {},
      );
      const items = new ItemBytes(of);
      for (const [a, b, kind] of rows) {
        if (kind === 0) items.snapshotRow(a);
        else if (kind === 1) items.insert(a);
        else if (kind === 2) items.update(a, b);
        else if (kind === 3) items.delete(a);
        else if (kind === 4) items.keyChange(a, b);
        else items.update(undefined, b);
      }
      const bytes = items.take();
      deepEqual(scanAll(of, bytes, pieceBytes), parseAll(of, bytes));
    }),
    200,
  );
});
