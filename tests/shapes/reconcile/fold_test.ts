import {
  deepStrictEqual as deepEqual,
  ok,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import { Fold } from "../../../shapes/reconcile/fold.ts";
import { RowHasher } from "../../../shapes/reconcile/row_hasher.ts";
import { LogReplayer } from "../../support/log_replayer.ts";
import { Random } from "../../support/random.ts";
import { ItemBytes, type Texts } from "../../support/scanned_items.ts";
import { definition, table } from "../../support/shape_fixture.ts";
import { RandomHistory, TestLog } from "../../support/stored_log.ts";

const SEED = 4321;
const FULL = { replica: "full" } as const;
const everything = () => true;

/** The table has just these rows. */
function assertRows(fold: Fold, log: TestLog, rows: Iterable<Texts>): void {
  const hasher = new RowHasher(log.definition, SEED);
  let count = 0;
  for (const row of rows) {
    const bytes = new ItemBytes(log.definition).insert(row).take();
    hasher.scanner.scan(bytes, 0);
    hasher.key(bytes);
    hasher.row(bytes);
    const at = fold.table.find(hasher.keyLo, hasher.keyHi);
    ok(at >= 0 && fold.table.isPresent(at), `lacks ${row}`);
    ok(fold.table.isRow(at, hasher.rowLo, hasher.rowHi), `has another ${row}`);
    count++;
  }
  equal(fold.table.size, count);
}

/** Which of the ids the comparison leaves out. */
function laterIds(fold: Fold, log: TestLog, ids: Iterable<string>): string[] {
  const hasher = new RowHasher(log.definition, SEED);
  return [...ids].filter((id) => {
    const bytes = new ItemBytes(log.definition).insert([id, null, null]).take();
    hasher.scanner.scan(bytes, 0);
    hasher.key(bytes);
    const at = fold.table.find(hasher.keyLo, hasher.keyHi);
    return at >= 0 && fold.table.isLater(at);
  });
}

async function replayed(log: TestLog): Promise<Texts[]> {
  const replayer = new LogReplayer();
  for (const chunk of log.chunks) replayer.read(chunk);
  for (const { bytes } of log.entries) {
    // Not checked here: random transactions mark no end.
    const items = new TextDecoder().decode(bytes).slice(1);
    replayer.apply(
      JSON.parse(`[${items}]`).map((item: { headers: object }, i: number, all: []) => ({
        ...item,
        headers: { ...item.headers, ...i === all.length - 1 ? { last: true } : {} },
      })),
    );
  }
  await Promise.resolve();
  return replayer.values().map(({ id, n, v }) => [id, n, v]);
}

for (const changed of [{}, FULL]) {
  for (const seed of [1, 2, 3, 4]) {
    Deno.test(`Fold.read() comes to what a client has, replica ${Object.keys(changed)}, seed ${seed}`, async () => {
      const random = new Random(seed);
      const log = new TestLog(definition(table(), changed), random.pick([7, 100, Infinity]));
      const history = new RandomHistory(log, random, 40);
      for (let i = 0; i < 60; i++) history.transaction(1 + random.below(12));
      const sorted = (rows: Iterable<Texts>) => [...rows].map((row) => JSON.stringify(row)).sort();
      deepEqual(sorted(await replayed(log)), sorted(history.rows.values()));
      for (const detailBytesMax of [undefined, 1_000, 300]) {
        const fold = new Fold(log, { seed: SEED, detailBytesMax });
        await fold.read(log.end);
        assertRows(fold, log, history.rows.values());
        deepEqual(fold.until, log.end);
      }
    });
  }

  Deno.test(`Fold.extend() comes to the same as reading all, replica ${Object.keys(changed)}`, async () => {
    const random = new Random(99);
    const log = new TestLog(definition(table(), changed), 50);
    const history = new RandomHistory(log, random, 40);
    let extended = 0, fold: Fold | undefined;
    for (let i = 0; i < 200; i++) {
      history.transaction(1 + random.below(3));
      if (fold && await fold.extend(log.end)) extended++;
      else {
        fold = new Fold(log, { seed: SEED });
        await fold.read(log.end);
      }
      fold.table.settle();
      assertRows(fold, log, history.rows.values());
    }
    ok(extended > 20, `${extended} of 200 were extended`);
  });
}

Deno.test("Fold reads in several parts when many rows were updated in part", async () => {
  const log = new TestLog(definition());
  const snapshot = new ItemBytes(log.definition);
  for (let id = 0; id < 100; id++) snapshot.snapshotRow([`${id}`, "1", "a"]);
  log.chunks.push(snapshot.take());
  const updates = new ItemBytes(log.definition);
  for (let id = 0; id < 50; id++) updates.update([`${id}`, "1", "a"], [`${id}`, "1", "b"]);
  log.entries.push({ last: { lsn: 100n, op: 49 }, bytes: updates.take() });
  const rows = Array.from({ length: 100 }, (_, id) => [`${id}`, "1", id < 50 ? "b" : "a"]);
  for (const [detailBytesMax, reads] of [[1e9, 1], [50 * 84 / 2, 2], [50 * 84 / 4.5, 5]]) {
    log.reads = 0;
    const fold = new Fold(log, { seed: SEED, detailBytesMax });
    await fold.read(log.end);
    equal(log.reads, reads);
    assertRows(fold, log, rows);
    const items: number[] = [];
    await fold.eachItem((_bytes, _start, _end, number, at) => {
      if (fold.table.itemOf(at) === number) items.push(number);
    }, () => undefined);
    // The last item of each row: of the first fifty their update.
    deepEqual(items, Array.from({ length: 100 }, (_, i) => i + 51));
  }
});

Deno.test("Fold.markLater() finds just the keys of transactions that were not seen", async () => {
  for (let seed = 1; seed <= 10; seed++) {
    const random = new Random(seed);
    const log = new TestLog(definition(), 90);
    const history = new RandomHistory(log, random, 40);
    for (let i = 0; i < 30; i++) history.transaction(1 + random.below(4));
    const fold = new Fold(log, { seed: SEED });
    await fold.read(log.end);
    const unseen = new Set(history.transactions.slice(-8).filter(() => random.chance(0.4)));
    const ids = new Set(history.transactions.flatMap((each) => [...each.ids]));
    const expected = new Set([...unseen].flatMap((each) => [...each.ids]));
    const xids = new Set([...unseen].map(({ xid }) => xid));
    await fold.markLater(({ xid }) => !xids.has(xid));
    deepEqual(laterIds(fold, log, ids).sort(), [...expected].sort());
    await fold.markLater(everything);
    deepEqual(laterIds(fold, log, ids), [], "another look forgets the first");
  }
});

Deno.test("Fold.markLater() reads all when there were more transactions than it remembers", async () => {
  const log = new TestLog(definition());
  const history = new RandomHistory(log, new Random(5), 20);
  for (let i = 0; i < 1_500; i++) history.transaction(1);
  const fold = new Fold(log, { seed: SEED });
  await fold.read(log.end);
  const [{ xid }] = history.transactions;
  const ids = new Set(history.transactions.flatMap((each) => [...each.ids]));
  await fold.markLater(({ xid: each }) => each < xid);
  deepEqual(laterIds(fold, log, ids), [...ids]);
});

Deno.test("Fold.markLater() takes what reconciles appended for seen", async () => {
  const log = new TestLog(definition());
  log.chunks.push(new ItemBytes(log.definition).control({ control: "snapshot-end" }).take());
  const bytes = new ItemBytes(log.definition, 100n).reconciled(["1", null, null], [9]).take();
  log.entries.push({ last: { lsn: 101n, op: 0 }, bytes });
  const fold = new Fold(log, { seed: SEED });
  await fold.read(log.end);
  await fold.markLater(() => false);
  deepEqual(laterIds(fold, log, ["1"]), []);
  equal(fold.lastTransaction, undefined);
});

Deno.test("Fold.eachItem() waits between pieces and throws on an item that is cut off", async () => {
  const log = new TestLog(definition(), 10);
  log.chunks.push(new ItemBytes(log.definition).snapshotRow(["1", null, null]).take());
  const fold = new Fold(log, { seed: SEED });
  await fold.read(log.end);
  let waits = 0;
  await fold.eachItem(() => {}, () => (waits++, Promise.resolve()));
  equal(waits, Math.ceil(log.chunks[0].length / 10));
  log.chunks[0] = log.chunks[0].subarray(0, -1);
  await rejects(fold.eachItem(() => {}, () => undefined), SyntaxError);
  await rejects(new Fold(log, { seed: SEED }).read(log.end), SyntaxError);
});
