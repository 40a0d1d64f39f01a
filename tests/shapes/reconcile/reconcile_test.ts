import {
  deepStrictEqual as deepEqual,
  ok,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import { loadParser } from "../../../shapes/where/parse.ts";
import { DrivenStore } from "../../support/driven_store.ts";
import { filled, found, ReconcileWorld, row } from "../../support/reconcile_world.ts";
import { table } from "../../support/shape_fixture.ts";

await loadParser();

const keyless = table({ columns: [{ name: "a", typeName: "int4" }, { name: "b" }] });

Deno.test("reconcileShape() appends what the database has otherwise, named by the rows' xmin", async () => {
  const world = filled();
  world.sees(704);
  world.rows(row(1), row(2), row(3), row(4));
  await world.reconcile();
  world.sees(710);
  world.rows(
    row(1),
    row(2, "21", "x", "705"),
    row(4, null, null, "706"),
    row(5, "50", "x", "4294967295"),
  );
  const { rows, differences } = await world.reconcile();
  equal(rows, 4);
  equal(differences, 4);
  deepEqual(found(await world.items()), [
    'update "2" [705]',
    'update "4" [706]',
    'insert "5" [4294967295]',
    'delete "3" [704,705,706,707,708,709]',
  ]);
  deepEqual((await world.replayed()).values(), [
    { id: "1", n: "10", v: "x" },
    { id: "2", n: "21", v: "x" },
    { id: "4", n: null, v: null },
    { id: "5", n: "50", v: "x" },
  ]);
});

Deno.test("reconcileShape() names no transactions where they can't be told", async () => {
  const world = filled();
  world.rows(row(1), row(2), row(3), { ...row(5), xmin: null });
  await world.reconcile();
  world.sees(100_000);
  world.rows(row(1));
  await world.reconcile();
  const items = found(await world.items());
  deepEqual(items.slice(0, 1), ['insert "5" []']);
  deepEqual(items.slice(-3).sort(), ['delete "2" []', 'delete "3" []', 'delete "5" []']);
});

Deno.test("reconcileShape() finds nothing where there is nothing, and appends nothing", async () => {
  const world = filled();
  world.rows(row(1), row(2), row(3), row(4));
  const before = world.store.calls.length;
  equal((await world.reconcile()).differences, 0);
  deepEqual(world.store.calls.slice(before), []);
  equal(world.shape.isBehind, false);
});

Deno.test("reconcileShape() gives replica=full the old values of updates and deletes", async () => {
  const world = filled(table(), { replica: "full" });
  world.rows(row(1, "11"), row(2), row(4, "40", "y"));
  await world.reconcile();
  const items = (await world.items()).slice(-3).map(({ value, old_value, headers }) => ({
    operation: headers.operation,
    value,
    old_value,
  }));
  deepEqual(items, [
    { operation: "update", value: { id: "1", n: "11", v: "x" }, old_value: { n: "10" } },
    { operation: "update", value: { id: "4", n: "40", v: "y" }, old_value: { v: "x" } },
    { operation: "delete", value: { id: "3", n: "30", v: "x" }, old_value: undefined },
  ]);
});

Deno.test("reconcileShape() tells the latest old values though the log has several", async () => {
  const world = filled(table(), { replica: "full" });
  const { changes } = world;
  world.brings(changes.update(["1", "10", "x"], ["1", "12", "x"]));
  world.brings(changes.update(["2", "20", "x"], ["2", "22", "x"]));
  world.sees(710);
  world.rows(row(1, "13"), row(3), row(4));
  await world.reconcile();
  const [update, deletion] = (await world.items()).slice(-2);
  deepEqual(update.old_value, { n: "12" });
  deepEqual(deletion.value, { id: "2", n: "22", v: "x" });
});

Deno.test("reconcileShape() takes equal rows of a table without key for one", async () => {
  const world = new ReconcileWorld(keyless);
  world.brings(world.changes.insert("1", "x"), world.changes.insert("2", null));
  world.sees(710);
  const one = { a: "1", b: "x", xmin: "701" }, three = { a: "3", b: null, xmin: "702" };
  world.rows(one, three, one, three, one);
  await world.reconcile();
  deepEqual(found(await world.items()), ['insert "3"/_ [702]', 'delete "2"/_ []']);
});

Deno.test("reconcileShape() tells composite keys with awkward values apart", async () => {
  const of = table({ columns: [{ name: "a", keyIndex: 1 }, { name: "b", keyIndex: 0 }] });
  const world = new ReconcileWorld(of);
  const keys = [["x/y", "z"], ["x", "y/z"], ['"', "\\"], ["", "_"], ["_", ""]] as const;
  world.brings(...keys.map(([a, b]) => world.changes.insert(a, b)));
  world.sees(710);
  world.rows(...keys.map(([a, b]) => ({ a, b, xmin: "700" })));
  equal((await world.reconcile()).differences, 0);
  world.rows(...keys.slice(1).map(([a, b]) => ({ a, b, xmin: "700" })));
  await world.reconcile();
  deepEqual(found(await world.items()), ['delete "z"/"x//y" []']);
});

Deno.test("reconcileShape() takes a snapshot's spelling of booleans and addresses for the stream's", async () => {
  const of = table({
    columns: [
      { name: "flag", typeName: "bool", keyIndex: 0 },
      { name: "addr", typeName: "inet", keyIndex: 1 },
      { name: "other", typeName: "bool" },
    ],
  });
  const world = new ReconcileWorld(of);
  world.brings(world.changes.insert("t", "10.0.0.1", "f"));
  world.sees(710);
  world.rows({ flag: "t", addr: "10.0.0.1", other: "f", xmin: "700" });
  equal((await world.reconcile()).differences, 0);
  world.rows({ flag: "t", addr: "10.0.0.1", other: "t", xmin: "705" });
  await world.reconcile();
  deepEqual(found(await world.items()), ['update "true"/"10.0.0.1//32" [705]']);
});

Deno.test("reconcileShape() asks with the shape's columns and filter", async () => {
  const world = new ReconcileWorld(table(), { where: "n > 5", columns: "id,v" });
  world.source.onTake = ({ columns, where, purpose, hasRows }) => {
    deepEqual([...columns].sort(), ["id", "v"]);
    ok(where?.includes("5"));
    deepEqual([purpose, hasRows], ["reconcile", true]);
  };
  world.rows(row(7));
  await world.reconcile();
  deepEqual((await world.replayed()).values(), [{ id: "7", v: "x" }]);
});

Deno.test("I2: reconcileShape() shows nothing before all of it is durable", async () => {
  const store = new DrivenStore();
  const world = filled(table(), {}, store);
  store.commit();
  const { head } = world.shape;
  world.rows(row(1));
  const reconciling = world.reconcile();
  await world.source.reached("end");
  await turns();
  ok(world.shape.appended.lsn > head.lsn);
  while (store.pending > 0) {
    deepEqual(world.shape.head, head);
    store.commit(1);
    await Promise.resolve();
  }
  await reconciling;
  deepEqual(world.shape.head, world.shape.appended);
});

Deno.test("I3: reconcileShape() appends between the last transaction and any that may follow", async () => {
  const world = filled();
  const { committedLsn } = world.world.ingest.positions;
  world.rows(row(1));
  await world.reconcile();
  world.sees(720);
  world.rows(row(1), row(2));
  await world.reconcile();
  equal(world.shape.appended.lsn, committedLsn | 1n);
  world.brings(world.changes.insert("9", null, null));
  equal((await world.replayed()).rows.size, 3);
  const lsns = (await world.items()).map(({ headers: { lsn } }) => BigInt(`${lsn}`));
  deepEqual(lsns.toSorted((a, b) => Number(a - b)), lsns);
});

Deno.test("reconcileShape() appends many differences in batches, the last of which ends it", async () => {
  for (const replica of ["default", "full"] as const) {
    const world = new ReconcileWorld(table(), { replica });
    const long = "y".repeat(500);
    for (let id = 0; id < 3_000; id++) world.brings(world.changes.insert(`${id}`, "1", long));
    world.sees(10_000);
    world.source.batchSize = 100;
    world.rows(...Array.from({ length: 3_000 }, (_, i) => row(i + 1_500, `${i % 2 + 1}`, long)));
    // Of those that stay every second one is as it was.
    equal((await world.reconcile()).differences, 1_500 + 750 + 1_500);
    const items = await world.items();
    equal((await world.replayed()).rows.size, 3_000);
    const ends = items.filter(({ headers: { lsn, last } }) => last && BigInt(`${lsn}`) & 1n);
    equal(ends.length, 1);
    equal(items.at(-1)?.headers.last, true);
  }
});

Deno.test("reconcileShape() uses what it returned before, as long as that holds", async () => {
  const world = filled();
  world.rows(row(1), row(2), row(3));
  const { fold } = await world.reconcile();
  ok(fold);
  equal(fold.table.size, 3);
  world.brings(world.changes.update(["1", "10", "x"], ["1", "11", "x"]));
  world.sees(720);
  world.rows(row(1, "11"), row(3), row(5));
  await world.reconcile({ fold });
  deepEqual((await world.replayed()).values().map(({ id }) => id), ["1", "3", "5"]);
});

Deno.test("reconcileShape() lets a shape that lacked changes go on with the stream, if that brings them", async () => {
  for (const isStreamed of [false, true]) {
    const world = filled();
    world.shape.lose();
    world.brings(world.changes.insert("5", null, null));
    equal((await world.items()).length, 4, "what the stream brings meanwhile is left out");
    world.sees(705);
    world.rows(row(1), row(2), row(3), row(4), row(5));
    await world.reconcile({ isStreamed });
    equal(world.shape.isFollowed, isStreamed);
    equal(world.shape.isFrozen, false);
    world.brings(world.changes.insert("6", null, null));
    equal((await world.replayed()).rows.size, isStreamed ? 6 : 5);
  }
});

Deno.test("reconcileShape() waits until all that the stream brought can be seen", async () => {
  const world = filled();
  world.shape.lose();
  const xid = world.brings(world.changes.insert("5", null, null));
  world.rows(row(1), row(2), row(3), row(4));
  world.sees(xid + 1, xid);
  let taken = 0;
  world.source.onTake = () => {
    if (++taken < 4) return;
    world.sees(xid + 1);
    world.rows(row(1), row(2), row(3), row(4), row(5));
  };
  await world.reconcile({ isStreamed: true });
  equal(taken, 4);
  equal((await world.replayed()).rows.size, 5);
});

Deno.test("reconcileShape() tells how long the database was at work, not what was waited for", async () => {
  const world = filled();
  world.rows(row(1), row(2));
  const pass = async (stage: "reserve" | "rows" | "end", ms: number) => {
    await world.source.reached(stage);
    world.nowMs += ms;
    world.source.open(stage);
  };
  for (const stage of ["reserve", "rows", "end"] as const) world.source.close(stage);
  const reconciling = world.reconcile();
  await pass("reserve", 1_000);
  await pass("rows", 10);
  await pass("end", 5);
  equal((await reconciling).queryMs, 15);
});

Deno.test("reconcileShape() gives up on a snapshot that stays behind the stream", async () => {
  const world = filled();
  world.shape.lose();
  const xid = world.brings(world.changes.insert("5", null, null));
  world.sees(xid + 1, xid);
  await rejects(world.reconcile({ isStreamed: true }), { name: "AheadError" });
  equal(world.shape.isFrozen, false);
  equal(world.shape.isFollowed, false);
});

Deno.test("reconcileShape() refuses a source that is behind, and leaves the shape as it was", async () => {
  const world = filled();
  world.rows(row(1), row(2), row(3), row(4));
  await world.reconcile();
  world.source.visibility = { ...world.source.visibility, walPosition: 1n };
  world.rows();
  await rejects(world.reconcile(), { name: "LaggingSourceError" });
  equal(world.shape.isBehind, false);
  equal((await world.replayed()).rows.size, 4);
});

Deno.test("reconcileShape() refuses a source of another history, and says which", async () => {
  for (
    const [origin, isRefused] of [
      [{ systemId: "2", timeline: 1, isReplica: false }, true],
      [{ systemId: "1", timeline: 2, isReplica: false }, true],
      [{ systemId: "2", timeline: 0, isReplica: true }, true],
      [{ systemId: "1", timeline: 0, isReplica: true }, false],
      [{ systemId: "1", timeline: 1, isReplica: false }, false],
    ] as const
  ) {
    const world = filled();
    world.rows();
    world.source.origin = { database: "test", ...origin };
    const reconciling = world.reconcile();
    if (isRefused) await rejects(reconciling, { name: "ForeignHistoryError" });
    else equal((await reconciling).differences, 4);
    equal(world.shape.isBehind, false);
  }
});

function turns(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
