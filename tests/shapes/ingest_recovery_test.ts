import {
  deepStrictEqual as deepEqual,
  ok,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import { loadParser } from "../../shapes/where/parse.ts";
import { DrivenStore } from "../support/driven_store.ts";
import {
  begin,
  Changes,
  commit,
  IngestWorld,
  logItems,
  storedItems,
  summary,
  transaction,
} from "../support/ingest_world.ts";
import { table } from "../support/shape_fixture.ts";

await loadParser();

const items = new Changes();

Deno.test("Ingest appends nothing twice when a lost stream begins again", async () => {
  const world = new IngestWorld();
  const shape = world.shape(table());
  const many = Array.from({ length: 17_000 }, (_, i) => items.insert(`${i}`, null, null));
  await world.accept(...transaction(100, items.announced, items.insert("a", null, null)));
  await world.accept(begin(200), ...many.slice(0, 16_500));
  ok(shape.appended.lsn === 200n && shape.head.lsn === 100n);
  world.ingest.restart(110n);
  await world.accept(
    ...transaction(100, items.announced, items.insert("a", null, null)),
    ...transaction(200, ...many),
  );
  const read = logItems(shape);
  equal(read.length, 1 + many.length);
  equal(new Set(read.map(({ key }) => key)).size, read.length);
  equal(read.filter(({ headers }) => headers.last).length, 2);
  equal(read.at(-1)?.headers.last, true);
});

Deno.test("Ingest takes in a transaction whose commit record begins where the confirmed one ended", async () => {
  const world = new IngestWorld();
  const shape = world.shape(table());
  await world.accept(...transaction(100, items.announced, items.insert("1", null, null)));
  // Both ran at the same time and their commit records are neighbours in the WAL.
  world.ingest.restart(110n);
  await world.accept(...transaction(110, items.announced, items.insert("2", null, null)));
  deepEqual(summary(shape), ['insert "1" @100_0', 'insert "2" @110_0']);
});

Deno.test("Ingest.lastSeenLsn begins with the slot's position and never goes back", async () => {
  const world = new IngestWorld({ appliedLsn: 50n });
  equal(world.ingest.lastSeenLsn, 50n);
  world.ingest.restart(500n);
  equal(world.ingest.lastSeenLsn, 500n);
  await world.accept(...transaction(100, items.announced, items.insert("1", null, null)));
  equal(world.ingest.lastSeenLsn, 500n);
  await world.accept(...transaction(600));
  equal(world.ingest.lastSeenLsn, 600n);
});

Deno.test("I1: Ingest acknowledges nothing that is not durable", async () => {
  const world = new IngestWorld({ store: new DrivenStore() });
  world.shape(table());
  world.store.commit();
  await world.accept(...transaction(100, items.announced, items.insert("1", null, null)));
  await world.accept({ kind: "progress", walEnd: 150n }, ...transaction(200));
  deepEqual(world.confirmed, []);
  for (let lastWritten = 0; world.store.pending > 1; lastWritten++) {
    world.store.commit(1);
    deepEqual(world.confirmed, [], `after ${lastWritten}`);
  }
  world.store.commit(1);
  deepEqual(world.confirmed, [210n]);
  await world.accept({ kind: "progress", walEnd: 300n });
  deepEqual(world.confirmed, [210n, 300n]);
});

Deno.test("I1: Ingest does not acknowledge a truncation before its shapes' end is durable", async () => {
  const world = new IngestWorld({ store: new DrivenStore() });
  const shape = world.shape(table());
  world.store.commit();
  await world.accept(...transaction(100, items.announced, items.truncate()));
  equal(shape.isGone, true);
  deepEqual(world.confirmed, [], "a crash now would bring the shape back with all its rows");
  world.store.commit();
  deepEqual(world.confirmed, [110n]);
});

Deno.test("I1: Ingest remembers a shape's end through a lost stream", async () => {
  const world = new IngestWorld({ store: new DrivenStore() });
  world.shape(table());
  world.store.commit();
  await world.accept(begin(100), items.announced, items.truncate());
  world.ingest.restart(0n);
  await world.accept(...transaction(100, items.announced, items.truncate()));
  deepEqual(world.confirmed, []);
  world.store.commit();
  deepEqual(world.confirmed, [110n]);
});

Deno.test("I7: a crash at any write leaves whole transactions, and the stream mends the rest", async () => {
  const stream = [
    ...transaction(100, items.announced, items.insert("1", "1", "a"), items.insert("2", "1", "b")),
    ...transaction(200, items.update(["1", "1", "a"], ["1", "2", "a"])),
    ...transaction(
      300,
      items.delete("2", "1", "b"),
      items.update(["1", "2", "a"], ["3", "2", "a"]),
    ),
  ];
  const whole = new IngestWorld();
  const expected = whole.shape(table());
  await whole.accept(...stream);
  equal(logItems(expected).length, 6);
  for (let writes = 0, isAllDurable = false; !isAllDurable; writes++) {
    const first = new IngestWorld({ store: new DrivenStore() });
    const { handle } = first.shape(table());
    first.store.completeSnapshot(handle, "");
    first.store.commit();
    await first.accept(...stream);
    first.store.commit(writes);
    isAllDurable = first.store.pending === 0;
    const store = first.store.crash();
    const { appliedLsn, shapes: [stored] } = await store.load();
    ok(first.confirmed.every((position) => position <= appliedLsn + 10n), "I1");
    equal(stored.head?.lsn ?? 0n, appliedLsn, "I2");
    const second = new IngestWorld({ store, appliedLsn });
    const shape = second.restore(stored, table());
    second.ingest.restart(0n);
    await second.accept(...stream);
    deepEqual(await storedItems(store, handle), logItems(expected), `${writes} writes`);
    deepEqual(shape.head, expected.head);
  }
});

Deno.test("Ingest goes on with the positions of another history, shifted beyond the earlier one's", async () => {
  const world = new IngestWorld({ store: new DrivenStore(), appliedLsn: 5000n });
  equal(world.ingest.reached, 5000n);
  const beginning = world.ingest.positions.begin({ shift: 8000n, beganAt: 8050n });
  world.store.commit();
  await beginning;
  world.ingest.restart(50n);
  equal(world.ingest.lastSeenLsn, 8050n);
  const shape = world.shape(table());
  world.store.commit();
  await world.accept(...transaction(50, items.announced, items.insert("1", null, null)));
  deepEqual(summary(shape), ['insert "1" @8050_0']);
  deepEqual(world.confirmed, []);
  world.store.commit();
  deepEqual(world.confirmed, [60n]);
});

Deno.test("Ingest holds the stream back while the store is far behind", async () => {
  const world = new IngestWorld({ store: new DrivenStore() });
  world.shape(table());
  const large = items.insert("1", null, "x".repeat(17 * 1024 * 1024));
  const waiting = world.accept(...transaction(100, items.announced, large));
  ok(waiting);
  world.store.commit();
  await waiting;
  equal(world.accept(...transaction(200)), undefined);
});

Deno.test("Ingest does not wait for what others have queued while it adds nothing", async () => {
  const world = new IngestWorld({ store: new DrivenStore() });
  world.shape(table(), { where: "n = 1" });
  await world.accept(...transaction(100, items.announced));
  const other = world.make(table());
  world.store.appendSnapshot(other.handle, 0, new Uint8Array(17 * 1024 * 1024));
  equal(world.accept(...transaction(200, items.insert("1", "2", null))), undefined);
  ok(world.accept(...transaction(300, items.insert("2", "1", null))), "it adds something");
});

Deno.test("Ingest fails when storage fails", async () => {
  const world = new IngestWorld({ store: new DrivenStore() });
  world.shape(table());
  world.store.fail(new Error("Disk is full"));
  const large = items.insert("1", null, "x".repeat(17 * 1024 * 1024));
  await rejects(async () => await world.accept(...transaction(100, items.announced, large)), {
    message: "Disk is full",
  });
});

Deno.test("I1: what a lost stream left waiting does not go on in the next one", async () => {
  const world = new IngestWorld();
  const shape = world.shape(table());
  await world.accept(begin(100), items.announced, items.insert("1", null, null));
  const taken = Promise.withResolvers<void>();
  world.ingest.add(world.make(table(), { where: "n = 1" }), taken.promise);
  const stale = world.accept(items.insert("2", null, null), commit(110));
  world.ingest.restart(50n);
  taken.resolve();
  await stale;
  deepEqual(world.confirmed, [], "the transaction is not stored");
  await world.accept(
    ...transaction(
      100,
      items.announced,
      items.insert("1", null, null),
      items.insert("2", null, null),
    ),
  );
  deepEqual(summary(shape), ['insert "1" @100_0', 'insert "2" @100_2']);
});
