import assert from "node:assert/strict";
import {
  type Cursor,
  expectEnd,
  fail,
  openCursor,
  POSTGRES_EPOCH_MS,
  readCounted,
  readInt32,
  readName,
  readTimeMs,
  readUint16,
  readUint32,
  readUint64,
  readUint8,
} from "../../replication/bytes.ts";
import { ProtocolError } from "../../replication/protocol_error.ts";

/** A cursor over the bytes, behind a tag. */
function over(...bytes: number[]): Cursor {
  return openCursor(Uint8Array.of(0x3f, ...bytes), "test");
}

Deno.test("fixed fields are read in network order, at the edges of their ranges", () => {
  assert.equal(readUint8(over(255)), 255);
  assert.equal(readUint16(over(0x12, 0x34)), 0x1234);
  assert.equal(readUint16(over(255, 255)), 65_535);
  assert.equal(readInt32(over(255, 255, 255, 255)), -1);
  assert.equal(readInt32(over(0x7f, 255, 255, 255)), 2 ** 31 - 1);
  assert.equal(readUint32(over(255, 255, 255, 254)), 2 ** 32 - 2);
  assert.equal(readUint64(over(1, 2, 3, 4, 5, 6, 7, 8)), 0x0102030405060708n);
  assert.equal(readUint64(over(...Array(8).fill(255))), (1n << 64n) - 1n);
});

Deno.test("readTimeMs() counts from 2000-01-01, before and after it", () => {
  assert.equal(POSTGRES_EPOCH_MS, Date.UTC(2000, 0, 1));
  assert.equal(readTimeMs(over(0, 0, 0, 0, 0, 0, 0, 0)), POSTGRES_EPOCH_MS);
  assert.equal(readTimeMs(over(0, 0, 0, 1, 0, 0, 0, 0)), POSTGRES_EPOCH_MS + 2 ** 32 / 1000);
  assert.equal(readTimeMs(over(...Array(7).fill(255), 24)), POSTGRES_EPOCH_MS - 0.232);
});

Deno.test("reads move the cursor by what they took", () => {
  const cursor = over(1, 0, 2, 0x61, 0, 0, 0, 0, 1, 0x7a);
  assert.equal(readUint8(cursor), 1);
  assert.equal(readUint16(cursor), 2);
  assert.equal(readName(cursor), "a");
  assert.deepEqual(readCounted(cursor), Uint8Array.of(0x7a));
  expectEnd(cursor);
  assert.equal(cursor.at, cursor.bytes.length);
});

Deno.test("every fixed field is refused when it is one byte short", () => {
  const reads: [(cursor: Cursor) => unknown, number][] = [
    [readUint8, 1],
    [readUint16, 2],
    [readInt32, 4],
    [readUint32, 4],
    [readUint64, 8],
    [readTimeMs, 8],
  ];
  for (const [read, size] of reads) {
    read(over(...Array(size).fill(1)));
    assert.throws(() => read(over(...Array(size - 1).fill(1))), ProtocolError, read.name);
  }
});

Deno.test("readName() keeps every character, a leading U+FEFF too", () => {
  for (const name of ["", "items", 'tàble "日本" 🙂', "\ufeffmarked"]) {
    assert.equal(readName(over(...new TextEncoder().encode(name), 0)), name);
  }
});

Deno.test("readName() rejects a name without an end and one that is not UTF-8", () => {
  assert.throws(() => readName(over(0x61, 0x62)), /Name without an end/);
  assert.throws(() => readName(over(0xc3, 0x28, 0)), /not valid UTF-8/);
  assert.throws(() => readName(over(0xed, 0xa0, 0x80, 0)), ProtocolError, "a lone surrogate");
  assert.throws(() => readName(over()), ProtocolError);
});

Deno.test("readCounted() gives a view and rejects impossible counts", () => {
  const cursor = over(0, 0, 0, 2, 7, 8);
  const content = readCounted(cursor);
  assert.deepEqual([...content], [7, 8]);
  assert.equal(content.buffer, cursor.bytes.buffer);
  assert.throws(() => readCounted(over(255, 255, 255, 255)), /Negative length -1/);
  assert.throws(
    () => readCounted(over(0x7f, 255, 255, 255, 1)),
    /needs 2147483647 bytes and has 1/,
  );
});

Deno.test("fail() and expectEnd() tell the message kind and the position", () => {
  const cursor = over(1, 2, 3);
  readUint8(cursor);
  const isExpected = (error: unknown) =>
    error instanceof ProtocolError && error.name === "ProtocolError" &&
    error.messageKind === "test" && error.position === 2 && error.message.includes("byte 2");
  assert.throws(() => fail(cursor, "Wrong"), isExpected);
  assert.throws(() => expectEnd(cursor), isExpected);
});
