import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { LOG_START } from "../../../shapes/log/kv_keys.ts";
import {
  decodeLogHead,
  encodeLogHead,
  encodeLogPart,
  encodeLogValue,
  endOfEntry,
  entriesOfLogValue,
  isPartOfEntry,
  logValueBytes,
  openChunkBytesOf,
  PART_BYTES_MAX,
  pieceOfLogValue,
  positionAfter,
} from "../../../shapes/log/log_value.ts";
import { compareOffsets, type Offset, SNAPSHOT_END } from "../../../shapes/offset.ts";

const at = (lsn: bigint, op: number): Offset => ({ lsn, op });
const END = at(2n ** 64n - 1n, Infinity);

function entry(first: Offset, last: Offset, text: string) {
  return { first, last, bytes: new TextEncoder().encode(text) };
}

const ENTRIES = [
  entry(at(10n, 0), at(10n, 4), ",a"),
  entry(at(20n, 0), at(20n, 0), ",bb"),
  entry(at(20n, 2), at(20n, 6), ",ccc"),
  entry(at(2n ** 64n - 1n, 1), at(2n ** 64n - 1n, 2), ",dddd"),
];

function textOf(value: Uint8Array, since: Offset, until: Offset): string | undefined {
  const piece = pieceOfLogValue(value, since, until);
  return piece && new TextDecoder().decode(piece.bytes);
}

Deno.test("encodeLogValue() keeps entries and the open chunk's bytes", () => {
  const value = encodeLogValue(ENTRIES, 1e12);
  assert.deepEqual(entriesOfLogValue(value), ENTRIES);
  assert.equal(openChunkBytesOf(value), 1e12);
  assert.equal(value.length, logValueBytes(4, 14));
  assert.equal(isPartOfEntry(value), false);
});

Deno.test("pieceOfLogValue() joins the entries beyond since and up to until", () => {
  const value = encodeLogValue(ENTRIES, 0);
  const cases: [Offset, Offset, string | undefined][] = [
    [SNAPSHOT_END, END, ",a,bb,ccc,dddd"],
    [at(10n, 4), END, ",bb,ccc,dddd"],
    [at(10n, Infinity), at(20n, 0), ",bb"],
    [at(10n, 4), at(20n, 5), ",bb"],
    [at(20n, 0), at(20n, 6), ",ccc"],
    [at(20n, 0), at(20n, 5), undefined],
    [SNAPSHOT_END, at(10n, 3), undefined],
    [END, END, undefined],
  ];
  for (const [since, until, text] of cases) assert.equal(textOf(value, since, until), text);
});

Deno.test("pieceOfLogValue() gives an entry that since lies in alone", () => {
  const value = encodeLogValue(ENTRIES, 0);
  assert.equal(textOf(value, at(10n, 0), END), ",a");
  assert.equal(textOf(value, at(20n, 3), END), ",ccc");
  assert.equal(textOf(value, at(20n, 3), at(20n, 5)), undefined);
});

Deno.test("pieceOfLogValue() tells the offsets of what it gives", () => {
  const piece = pieceOfLogValue(encodeLogValue(ENTRIES, 0), at(10n, 4), at(20n, 6));
  assert.deepEqual([piece?.first, piece?.last, piece?.isLast], [at(20n, 0), at(20n, 6), true]);
});

Deno.test("pieceOfLogValue() agrees with picking entry by entry", () => {
  const offset = fc.tuple(fc.integer({ min: 0, max: 12 }), fc.integer({ min: 0, max: 5 }));
  fc.assert(fc.property(fc.nat(12), offset, offset, (count, [lsn, op], [endLsn, endOp]) => {
    const entries = Array.from({ length: count + 1 }, (_, i) => {
      return entry(at(BigInt(i), 1), at(BigInt(i), 3), `,${i}`);
    });
    const [since, until] = [at(BigInt(lsn), op), at(BigInt(endLsn), endOp)];
    const picked = entries.filter(({ last }) =>
      compareOffsets(last, since) > 0 && compareOffsets(last, until) <= 0
    );
    const isInside = picked.length > 0 && compareOffsets(picked[0].first, since) <= 0;
    const expected = picked.slice(0, isInside ? 1 : undefined).map(({ last }) => `,${last.lsn}`);
    assert.equal(textOf(encodeLogValue(entries, 0), since, until) ?? "", expected.join(""));
  }));
});

Deno.test("encodeLogPart() cuts an entry in values that fit", () => {
  const bytes = new Uint8Array(PART_BYTES_MAX * 2 + 5).map((_, i) => i & 255);
  const large = { first: at(7n, 0), last: at(7n, 9), bytes };
  const joined = new Uint8Array(bytes.length);
  for (let part = 0; part < 3; part++) {
    const value = encodeLogPart(large, part, 77);
    assert(value.length <= 65_536 && isPartOfEntry(value));
    const piece = pieceOfLogValue(value, endOfEntry(at(7n, 9)), END);
    assert(piece);
    assert.deepEqual([piece.first, piece.last], [at(7n, 0), at(7n, 9)]);
    assert.equal(piece.isLast, part === 2);
    joined.set(piece.bytes, part * PART_BYTES_MAX);
    const next = positionAfter({ ...at(7n, 9), part }, value);
    assert.equal(next.part, part === 2 ? Infinity : part);
    assert.equal(pieceOfLogValue(value, SNAPSHOT_END, at(7n, 8)), undefined);
  }
  assert.equal(Buffer.compare(joined, bytes), 0);
});

Deno.test("encodeLogValue() refuses more than a value holds", () => {
  const bytes = new Uint8Array(PART_BYTES_MAX + 1);
  const entries = [{ first: at(1n, 0), last: at(1n, 0), bytes }];
  assert.throws(() => encodeLogValue(entries, 0), RangeError);
});

Deno.test("pieceOfLogValue() rejects truncated and foreign values", () => {
  const value = encodeLogValue(ENTRIES, 0);
  for (let length = 0; length < value.length; length++) {
    assert.throws(() => pieceOfLogValue(value.slice(0, length), SNAPSHOT_END, END), RangeError);
  }
  const foreign = value.with(0, 2);
  assert.throws(() => pieceOfLogValue(foreign, SNAPSHOT_END, END), RangeError);
  const swollen = value.with(12 + 32, 1);
  assert.throws(() => pieceOfLogValue(swollen, SNAPSHOT_END, END), RangeError);
});

Deno.test("decodeLogHead() answers what was encoded", () => {
  const heads = [
    { position: LOG_START, openChunkBytes: 0, isCutting: true },
    { position: { ...at(2n ** 64n - 1n, 5), part: 800 }, openChunkBytes: 5e10, isCutting: false },
    { position: { ...at(0n, 0), part: 0 }, openChunkBytes: 3, isCutting: true },
  ];
  for (const head of heads) assert.deepEqual(decodeLogHead(encodeLogHead(head)), head);
  assert.throws(() => decodeLogHead(encodeLogHead(heads[0]).slice(1)), RangeError);
});
