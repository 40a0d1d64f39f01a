import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import fc from "fast-check";
import type { ShapeDefinition } from "../../../shapes/definition.ts";
import { readCopyRows } from "../../../shapes/log/copy_reader.ts";
import {
  formatRelation,
  ItemEncoder,
  transactionHeader,
} from "../../../shapes/log/item_encoder.ts";
import { JsonWriter } from "../../../shapes/log/json_writer.ts";
import { rowOfTexts } from "../../../shapes/row.ts";
import type { Table } from "../../../shapes/table.ts";
import { cell, check, copyText, identifierText, postgresText } from "../../support/arbitrary.ts";
import { type Item, parseItems } from "../../support/log_replayer.ts";
import { definition, table } from "../../support/shape_fixture.ts";

const HEADER = transactionHeader(26877408n, 4_294_967_295);
const STREAM = { lsn: "26877408", txids: [4_294_967_295] };
const RELATION = ["public", "items"];
type Texts = readonly (string | null)[];

const placesOf = (of: Table) => (name: string) =>
  of.columns.findIndex((column) => column.name === name);

/** Runs a method of an encoder for rows in the table's own column order. */
function encode(
  of: Table,
  write: (encoder: ItemEncoder, writer: JsonWriter) => void,
  changed: Partial<ShapeDefinition> = {},
): Item[] {
  const writer = new JsonWriter();
  write(new ItemEncoder(definition(of, changed), placesOf(of)), writer);
  return parseItems(writer.take());
}

function keyOf(of: Table, texts: Texts): string {
  const [item] = encode(of, (encoder, writer) => encoder.snapshotRow(writer, rowOfTexts(texts)));
  return item.key;
}

const row = (...texts: Texts) => rowOfTexts(texts);
const FULL = { replica: "full" } as const;

Deno.test("ItemEncoder writes a row of the snapshot without position", () => {
  deepEqual(encode(table(), (encoder, writer) => encoder.snapshotRow(writer, row("1", null, ""))), [
    {
      key: '"public"."items"/"1"',
      value: { id: "1", n: null, v: "" },
      headers: { operation: "insert", relation: RELATION },
    },
  ]);
});

Deno.test("ItemEncoder writes an insert with every selected column", () => {
  for (const changed of [{}, FULL]) {
    const items = encode(table(), (encoder, writer) => {
      encoder.insert(writer, row("1", "2", null), HEADER, 0, false);
      encoder.insert(writer, row("3", "4", "five"), HEADER, 22, true);
    }, changed);
    const headers = { operation: "insert", relation: RELATION, ...STREAM };
    deepEqual(items, [
      {
        key: '"public"."items"/"1"',
        value: { id: "1", n: "2", v: null },
        headers: { ...headers, op_position: 0 },
      },
      {
        key: '"public"."items"/"3"',
        value: { id: "3", n: "4", v: "five" },
        headers: { ...headers, op_position: 22, last: true },
      },
    ]);
  }
});

const OLD = row("1", "10", "one"), CHANGED = row("1", null, "one");

Deno.test("ItemEncoder writes an update with the key and what changed", () => {
  const items = encode(table(), (encoder, writer) => {
    encoder.update(writer, OLD, CHANGED, HEADER, 4, true);
  });
  deepEqual(items, [{
    key: '"public"."items"/"1"',
    value: { id: "1", n: null },
    headers: { operation: "update", relation: RELATION, ...STREAM, op_position: 4, last: true },
  }]);
});

Deno.test("ItemEncoder writes a full update with the row and the old values of what changed", () => {
  const items = encode(table(), (encoder, writer) => {
    encoder.update(writer, OLD, CHANGED, HEADER, 4, false);
  }, FULL);
  deepEqual(items, [{
    key: '"public"."items"/"1"',
    value: { id: "1", n: null, v: "one" },
    old_value: { n: "10" },
    headers: { operation: "update", relation: RELATION, ...STREAM, op_position: 4 },
  }]);
});

Deno.test("ItemEncoder writes every column of an update whose old row is not known", () => {
  const items = encode(table(), (encoder, writer) => {
    encoder.update(writer, undefined, CHANGED, HEADER, 4, true);
  });
  deepEqual(items.map(({ value }) => value), [{ id: "1", n: null, v: "one" }]);
});

Deno.test("ItemEncoder writes a delete with the key, or the row when full", () => {
  const values = [{}, FULL].map((changed) => {
    const [item] = encode(table(), (encoder, writer) => {
      encoder.delete(writer, OLD, HEADER, 6, true);
    }, changed);
    deepEqual(item.headers, {
      operation: "delete",
      relation: RELATION,
      ...STREAM,
      op_position: 6,
      last: true,
    });
    return item.value;
  });
  deepEqual(values, [{ id: "1" }, { id: "1", n: "10", v: "one" }]);
});

Deno.test("ItemEncoder writes a key change as a delete and an insert that name each other", () => {
  const from = '"public"."items"/"1"', to = '"public"."items"/"100"';
  const headers = { relation: RELATION, ...STREAM };
  const halves = [{}, FULL].map((changed) =>
    encode(table(), (encoder, writer) => {
      encoder.keyChange(writer, OLD, row("100", "10", null), HEADER, 8, true);
    }, changed)
  );
  const insert = {
    key: to,
    value: { id: "100", n: "10", v: null },
    headers: { ...headers, operation: "insert", op_position: 9, last: true, key_change_from: from },
  };
  const deletion = { ...headers, operation: "delete", op_position: 8, key_change_to: to };
  deepEqual(halves, [
    [{ key: from, value: { id: "1" }, headers: deletion }, insert],
    [{ key: from, value: { id: "1", n: "10", v: "one" }, headers: deletion }, insert],
  ]);
});

Deno.test("ItemEncoder writes only the selected columns, from wherever they are in the row", () => {
  const of = table();
  const [id, , v] = of.columns;
  const places = new Map([["v", 0], ["id", 2], ["n", 1]]);
  const writer = new JsonWriter();
  const encoder = new ItemEncoder(
    definition(of, { columns: [id, v] }),
    (name) => places.get(name) ?? -1,
  );
  encoder.update(writer, row("old", "1", "7"), row("new", "2", "7"), HEADER, 0, true);
  deepEqual(parseItems(writer.take()).map(({ key, value }) => ({ key, value })), [
    { key: '"public"."items"/"7"', value: { id: "7", v: "new" } },
  ]);
  equal(encoder.hasSameValues(row("x", "1", "7"), row("x", "2", "7")), true);
  equal(encoder.hasSameValues(row("x", "1", "7"), row("y", "1", "7")), false);
});

Deno.test("ItemEncoder tells NULL from an empty text when it compares", () => {
  const encoder = new ItemEncoder(definition(), placesOf(table()));
  equal(encoder.hasSameValues(row("1", null, ""), row("1", null, "")), true);
  equal(encoder.hasSameValues(row("1", null, ""), row("1", "", "")), false);
  equal(encoder.hasSameKey(row("1", "a", "b"), row("1", "c", "d")), true);
  equal(encoder.hasSameKey(row("1", "a", "b"), row("2", "a", "b")), false);
});

Deno.test("ItemEncoder makes keys as the snapshots of the contract spell them", () => {
  const pair = table({
    name: "k",
    columns: [{ name: "a", keyIndex: 0 }, { name: "b", keyIndex: 1 }],
  });
  const spelled: readonly (readonly [Texts, string])[] = [
    [["//", "/"], '"////"/"//"'],
    [["NULL", "_"], '"NULL"/"_"'],
    [['a"b', ""], '"a"b"/""'],
    [["back\\slash", "dot.dot"], '"back\\slash"/"dot.dot"'],
    [["new\nline", "é🚀"], '"new\nline"/"é🚀"'],
    [["x/y", "z"], '"x//y"/"z"'],
  ];
  for (const [texts, key] of spelled) equal(keyOf(pair, texts), `"public"."k"/${key}`);
});

Deno.test("ItemEncoder lists the key's columns in the order of the primary key", () => {
  const of = table({
    columns: [{ name: "a", keyIndex: 1 }, { name: "b", keyIndex: 2 }, { name: "c", keyIndex: 0 }],
  });
  equal(keyOf(of, ["1", "x", "10"]), '"public"."items"/"10"/"1"/"x"');
});

Deno.test("ItemEncoder makes a key of the whole row, NULLs bare, without a primary key", () => {
  const of = table({ columns: [{ name: "b" }, { name: "a" }] });
  equal(keyOf(of, ["y", null]), '"public"."items"/"y"/_');
  equal(keyOf(of, [null, null]), '"public"."items"/_/_');
  const [item] = encode(of, (encoder, writer) => {
    encoder.delete(writer, row("y", null), HEADER, 0, true);
  });
  deepEqual(item.value, { a: null, b: "y" });
});

Deno.test("ItemEncoder doubles quotes in the relation's name, and in nothing else of it", () => {
  const of = table({ schema: 's"1', name: 'a.b"c/d\\e', columns: [{ name: "i", keyIndex: 0 }] });
  equal(keyOf(of, ["1"]), '"s""1"."a.b""c/d\\e"/"1"');
  equal(formatRelation(of), '"s""1"."a.b""c/d\\e"');
});

Deno.test("ItemEncoder gives boolean and address keys one spelling on both paths", () => {
  const key = (typeName: string, text: string) =>
    keyOf(table({ columns: [{ name: "k", typeName, keyIndex: 0 }] }), [text]);
  for (const texts of [["t", "true"], ["f", "false"]]) {
    deepEqual(texts.map((text) => key("bool", text)), Array(2).fill(key("text", texts[1])));
  }
  const addresses = [["192.168.0.1", "192.168.0.1/32"], ["::1", "::1/128"]];
  addresses.push(["10.0.0.0/8", "10.0.0.0/8"], ["2001:db8::/32", "2001:db8::/32"]);
  for (const [stream, snapshot] of addresses) {
    equal(key("inet", stream), key("text", snapshot));
    equal(key("inet", snapshot), key("text", snapshot));
  }
  equal(key("text", "t"), '"public"."items"/"t"');
  equal(key("text", "10.0.0.1"), '"public"."items"/"10.0.0.1"');
});

Deno.test("ItemEncoder spells keys of a domain as its base type, and arrays as they come", () => {
  const of = table({
    columns: [
      { name: "d", typeName: "flag", baseTypeName: "bool", keyIndex: 0 },
      { name: "a", typeName: "bool", dims: 1, keyIndex: 1 },
    ],
  });
  equal(keyOf(of, ["t", "{t,f}"]), '"public"."items"/"true"/"{t,f}"');
});

Deno.test("ItemEncoder leaves the values as they come", () => {
  const of = table({ columns: [{ name: "b", typeName: "bool", keyIndex: 0 }] });
  const [item] = encode(of, (encoder, writer) => {
    encoder.insert(writer, row("t"), HEADER, 0, true);
  });
  deepEqual(item.value, { b: "t" });
});

/** A table of random names, some columns its key, and rows that fit it. */
const worlds = fc.record({
  schema: identifierText,
  name: identifierText,
  columns: fc.uniqueArray(identifierText, { minLength: 1, maxLength: 5 }),
}).chain(({ schema, name, columns }) =>
  fc.record({
    table: fc.constant(table({
      schema,
      name,
      columns: columns.map((name, i) => ({ name, keyIndex: i % 2 === 0 ? i / 2 : null })),
    })),
    rows: fc.array(
      fc.tuple(...columns.map((_, i) => i % 2 === 0 ? postgresText : cell)),
      { minLength: 1, maxLength: 4 },
    ),
  })
);

const asValue = (of: Table, texts: Texts) =>
  new Map(of.columns.map(({ name }, i) => [name, texts[i]]));

const expectedKey = (of: Table, texts: Texts) =>
  of.columns.filter(({ keyIndex }) => keyIndex !== null).reduce(
    (key, column) => `${key}/"${texts[of.columns.indexOf(column)]?.replaceAll("/", "//")}"`,
    `"${of.schema.replaceAll('"', '""')}"."${of.name.replaceAll('"', '""')}"`,
  );

Deno.test("ItemEncoder: texts come through COPY, snapshot rows and JSON as they were", () => {
  check(
    fc.property(worlds, ({ table: of, rows }) => {
      const writer = new JsonWriter();
      const encoder = new ItemEncoder(definition(of), placesOf(of));
      readCopyRows(copyText(rows), of.columns.length, (row) => encoder.snapshotRow(writer, row));
      const items = parseItems(writer.take());
      equal(items.length, rows.length);
      items.forEach(({ key, value, headers }, i) => {
        deepEqual(new Map(Object.entries(value)), asValue(of, rows[i]));
        equal(key, expectedKey(of, rows[i]));
        deepEqual(headers, { operation: "insert", relation: [of.schema, of.name] });
      });
    }),
    300,
  );
});

Deno.test("ItemEncoder: an update's items say exactly what differs", () => {
  check(
    fc.property(worlds, fc.boolean(), ({ table: of, rows }, isFull) => {
      const [old] = rows;
      const now = rows.at(-1) ?? old;
      const isKey = (name: string) =>
        of.columns.some((column) => column.name === name && column.keyIndex !== null);
      const [item] = encode(of, (encoder, writer) => {
        encoder.update(writer, rowOfTexts(old), rowOfTexts(now), HEADER, 2, true);
      }, isFull ? FULL : {});
      const differing = of.columns.filter((_, i) => old[i] !== now[i]).map(({ name }) => name);
      const sent = [...asValue(of, now)].filter(([name]) =>
        isFull || isKey(name) || differing.includes(name)
      );
      deepEqual(new Map(Object.entries(item.value)), new Map(sent));
      const before = [...asValue(of, old)].filter(([name]) => differing.includes(name));
      if (isFull) deepEqual(new Map(Object.entries(item.old_value ?? {})), new Map(before));
      else equal("old_value" in item, false);
    }),
    300,
  );
});
