/** Each kind of index by itself; the router's tests have them all together. */

import assert from "node:assert/strict";
import { Row, rowOfTexts, UNCHANGED_LENGTH } from "../../../shapes/row.ts";
import { ElementIndex } from "../../../shapes/routing/indexes/element_index.ts";
import type { Keyed } from "../../../shapes/routing/plan/entry.ts";
import { Indexes } from "../../../shapes/routing/indexes/indexes.ts";
import { NullIndex } from "../../../shapes/routing/indexes/null_index.ts";
import { OtherIndex } from "../../../shapes/routing/indexes/other_index.ts";
import { PrefixIndex } from "../../../shapes/routing/indexes/prefix_index.ts";
import { RangeIndex } from "../../../shapes/routing/indexes/range_index.ts";
import type { RowIndex } from "../../../shapes/routing/indexes/row_index.ts";
import { TextIndex } from "../../../shapes/routing/indexes/text_index.ts";
import { ValueIndex } from "../../../shapes/routing/indexes/value_index.ts";
import { INT4 } from "../../../shapes/where/types/integer.ts";
import { NUMERIC } from "../../../shapes/where/types/numeric.ts";
import { TEXT } from "../../../shapes/where/types/text.ts";
import type { PgType, Value } from "../../../shapes/where/types/type.ts";

function found(index: Pick<RowIndex, "visit">, ...texts: (string | null)[]): number[] {
  const ids: number[] = [];
  index.visit(rowOfTexts(texts), (id) => ids.push(id));
  return ids.toSorted((a, b) => a - b);
}

function keyed(kind: Keyed["kind"], type: PgType, ...keys: Value[]): Keyed {
  return { kind, column: "c", type, isTextual: type === TEXT, keys };
}

const equal = (type: PgType, ...keys: Value[]) => keyed("equal", type, ...keys);

Deno.test("a text index finds nothing for NULL and for texts that only begin alike", () => {
  const index = new TextIndex(1);
  index.add(equal(TEXT, ""), 0);
  index.add(equal(TEXT, "abc"), 1);
  assert.deepEqual(found(index, "abc", null), []);
  assert.deepEqual(found(index, "abc", "ab"), []);
  assert.deepEqual(found(index, "abc", "abcd"), []);
  assert.deepEqual(found(index, "abc", ""), [0]);
  index.remove(equal(TEXT, "abc"), 9);
  assert.deepEqual(found(index, null, "abc"), [1]);
});

Deno.test("key indexes count those with the same key and forget them one by one", () => {
  for (const index of [new TextIndex(0), new ValueIndex(0, NUMERIC)]) {
    const entry = equal(index instanceof TextIndex ? TEXT : NUMERIC, "1", "2");
    for (const id of [0, 1, 2]) index.add(entry, id);
    assert.equal(index.crowd(entry), 6);
    assert.deepEqual(found(index, "2"), [0, 1, 2]);
    for (const id of [1, 0]) index.remove(entry, id);
    assert.deepEqual(found(index, "1"), [2]);
    index.remove(entry, 2);
    index.remove(entry, 2);
    assert.deepEqual([found(index, "1"), index.isEmpty], [[], true]);
  }
});

Deno.test("a value index finds equal values of any text", () => {
  const index = new ValueIndex(0, NUMERIC);
  index.add(equal(NUMERIC, NUMERIC.key("1.50")), 7);
  for (const text of ["1.5", "1.50", "1.5000"]) assert.deepEqual(found(index, text), [7]);
  assert.deepEqual([found(index, "15"), found(index, null)], [[], []]);
});

Deno.test("an index of other values finds all but those that exclude the row's", () => {
  const index = new OtherIndex(0, new TextIndex(0));
  const [a, ab] = [keyed("other", TEXT, "a"), keyed("other", TEXT, "a", "b")];
  index.add(a, 0);
  index.add(ab, 1);
  assert.deepEqual(found(index, "a"), []);
  assert.deepEqual(found(index, "b"), [0]);
  assert.deepEqual(found(index, "c"), [0, 1]);
  assert.deepEqual(found(index, null), []);
  assert.equal(index.crowd(), 2);
  index.remove(ab, 1);
  assert.deepEqual(found(index, "c"), [0]);
  index.remove(a, 0);
  assert(index.isEmpty);
});

Deno.test("a range index finds values between its ends, which may be open or missing", () => {
  const index = new RangeIndex(0, NUMERIC), entry = { kind: "range", column: "c", type: NUMERIC };
  const range = (low?: string, high?: string) => {
    const bound = (value: string | undefined) =>
      value === undefined ? value : { value, isOpen: true };
    return { ...entry, kind: "range", interval: { low: bound(low), high: bound(high) } } as const;
  };
  index.add(range("1", "10"), 0);
  index.add(range("9.99999999999999999999"), 1);
  index.add(range(undefined, "2"), 2);
  assert.deepEqual(found(index, "1.0"), [2]);
  assert.deepEqual(found(index, "1.00000000000000000001"), [0, 2]);
  assert.deepEqual(found(index, "10.0"), [1]);
  assert.deepEqual(found(index, "NaN"), [1]);
  assert.deepEqual(found(index, null), []);
  for (const [id, one] of [range("1", "10"), range("9.99999999999999999999")].entries()) {
    index.remove(one, id);
  }
  assert.deepEqual([found(index, "5"), index.isEmpty], [[], false]);
  index.remove(range(undefined, "2"), 2);
  assert(index.isEmpty);
});

Deno.test("a prefix index finds every prefix of a text", () => {
  const index = new PrefixIndex(0);
  const prefixes = ["a", "ab", "abcd", "é", "b"];
  const entry = (prefix: string) => ({ kind: "prefix", column: "c", prefix }) as const;
  for (const [id, prefix] of prefixes.entries()) index.add(entry(prefix), id);
  index.add(entry("ab"), 9);
  assert.deepEqual(found(index, "abc"), [0, 1, 9]);
  assert.deepEqual(found(index, "abcde"), [0, 1, 2, 9]);
  assert.deepEqual(found(index, "éa"), [3]);
  assert.deepEqual([found(index, ""), found(index, null)], [[], []]);
  assert.equal(index.crowd(entry("ab")), 2);
  index.remove(entry("ab"), 9);
  for (const [id, prefix] of prefixes.entries()) index.remove(entry(prefix), id);
  index.remove(entry("ab"), 9);
  assert.deepEqual([found(index, "abcd"), index.isEmpty], [[], true]);
});

Deno.test("an element index finds arrays by their elements, of any dimension, NULL not among them", () => {
  const index = new ElementIndex(0, INT4);
  index.add(keyed("element", INT4, 1), 1);
  index.add(keyed("element", INT4, 2, 3), 23);
  assert.deepEqual(found(index, "{1,NULL}"), [1]);
  assert.deepEqual(found(index, "{{1,4},{2,4}}"), [1, 23]);
  assert.deepEqual(found(index, "[0:1]={3,5}"), [23]);
  assert.deepEqual([found(index, "{}"), found(index, "{NULL}"), found(index, null)], [[], [], []]);
  assert.equal(index.crowd(keyed("element", INT4, 3)), 1);
  index.remove(keyed("element", INT4, 2, 3), 23);
  index.remove(keyed("element", INT4, 1), 1);
  assert(index.isEmpty);
});

Deno.test("a null index tells NULL, and what the stream left out, from values", () => {
  const [none, some] = [new NullIndex(0, true), new NullIndex(0, false)];
  none.add({}, 0);
  some.add({}, 1);
  assert.deepEqual([found(none, null), found(some, null)], [[0], []]);
  assert.deepEqual([found(none, ""), found(some, "")], [[], [1]]);
  none.visit(new Row(new Uint8Array(), [0], [UNCHANGED_LENGTH]), (id) => assert.equal(id, 0));
  none.remove({}, 0);
  assert.deepEqual([none.isEmpty, none.crowd(), some.crowd()], [true, 0, 1]);
});

Deno.test("indexes are opened by the first entry and closed with the last", () => {
  const indexes = new Indexes((column) => column === "c" ? 0 : -1), entry = equal(TEXT, "a");
  assert.throws(() => indexes.add({ ...entry, column: "d" }, 0), RangeError);
  assert.equal(indexes.crowd(entry), 0);
  indexes.add(entry, 0);
  indexes.add({ kind: "notNull", column: "c" }, 0);
  assert.deepEqual([found(indexes, "a"), found(indexes, "b"), found(indexes, null)], [
    [0, 0],
    [0],
    [],
  ]);
  assert.equal(indexes.crowd(entry), 1);
  indexes.remove(entry, 0);
  indexes.remove(entry, 0);
  assert.deepEqual(found(indexes, "a"), [0]);
  indexes.remove({ kind: "notNull", column: "c" }, 0);
  assert.deepEqual(found(indexes, "a"), []);
});
