import assert from "node:assert/strict";
import { decodeJournal, journalEntryBytes, JournalWriter } from "../../../shapes/log/journal.ts";

const handle = (text: string) => new TextEncoder().encode(text);

function entry(lsn: bigint, size: number) {
  const bytes = new Uint8Array(size).fill(Number(lsn & 255n));
  return { first: { lsn, op: 0 }, last: { lsn, op: 4 }, bytes };
}

Deno.test("decodeJournal() answers the records in order", () => {
  const writer = new JournalWriter();
  writer.addEntry(handle("a-1"), entry(2n ** 64n - 1n, 10));
  writer.addApplied(2n ** 64n - 1n);
  writer.addRestart(3n);
  writer.addEntry(handle("ü"), entry(4n, 0));
  assert.deepEqual(decodeJournal(writer.seal()), [
    { kind: "entry", handle: "a-1", entry: entry(2n ** 64n - 1n, 10) },
    { kind: "applied", lsn: 2n ** 64n - 1n },
    { kind: "restart", lsn: 3n },
    { kind: "entry", handle: "ü", entry: entry(4n, 0) },
  ]);
});

Deno.test("JournalWriter keeps only the last of consecutive applied LSNs", () => {
  const writer = new JournalWriter();
  for (let lsn = 1n; lsn <= 100n; lsn++) writer.addApplied(lsn);
  writer.addEntry(handle("a"), entry(101n, 1));
  writer.addApplied(101n);
  const kinds = decodeJournal(writer.seal()).map((record) => record.kind);
  assert.deepEqual(kinds, ["applied", "entry", "applied"]);
  writer.addApplied(102n);
  assert.deepEqual(decodeJournal(writer.seal()), [{ kind: "applied", lsn: 102n }]);
});

Deno.test("JournalWriter fills values of a slab without changing sealed ones", () => {
  const writer = new JournalWriter();
  const values: Uint8Array[] = [];
  let bytes = 0;
  for (let i = 0; writer.hasRoom(journalEntryBytes(handle("a"), entry(1n, 1_000))); i++) {
    writer.addEntry(handle("a"), entry(BigInt(i), 1_000));
    if (i % 10 === 9) values.push(writer.seal());
  }
  values.push(writer.seal());
  assert.equal(writer.openBytes, 0);
  const records = values.flatMap((value) => {
    bytes += value.length;
    return decodeJournal(value);
  });
  assert(bytes > 60_000 && bytes <= 65_536);
  assert.equal(records.length, 63);
  records.forEach((record, i) => {
    assert(record.kind === "entry");
    assert.deepEqual(record.entry, entry(BigInt(i), 1_000));
  });
  writer.renew();
  assert(writer.hasRoom(65_536) && writer.hasRoomForLsn);
});

Deno.test("decodeJournal() rejects a value cut within a record", () => {
  const writer = new JournalWriter();
  writer.addEntry(handle("abc"), entry(1n, 20));
  writer.addApplied(1n);
  const value = writer.seal();
  const boundaries = [0, value.length - 9, value.length];
  for (let length = 0; length <= value.length; length++) {
    const decode = () => decodeJournal(value.slice(0, length));
    if (boundaries.includes(length)) assert.doesNotThrow(decode);
    else assert.throws(decode, RangeError);
  }
  assert.throws(() => decodeJournal(new Uint8Array([9, 9])), RangeError);
});
