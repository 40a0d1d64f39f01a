import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import fc from "fast-check";
import { ItemEncoder } from "../../shapes/log/item_encoder.ts";
import { JsonWriter } from "../../shapes/log/json_writer.ts";
import { PageCache } from "../../shapes/log/page_cache.ts";
import { TailBudget } from "../../shapes/log/tail.ts";
import { type Offset, SNAPSHOT_END } from "../../shapes/offset.ts";
import type { Visibility } from "../../shapes/ports.ts";
import { rowOfTexts } from "../../shapes/row.ts";
import { Shape } from "../../shapes/shape.ts";
import { TransactionLog } from "../../shapes/transaction_log.ts";
import { check } from "../support/arbitrary.ts";
import { DrivenStore } from "../support/driven_store.ts";
import { type Item, LogReplayer, parseItems } from "../support/log_replayer.ts";
import { EMPTY_VISIBILITY } from "../support/scripted_source.ts";
import { definition, table } from "../support/shape_fixture.ts";

const at = (lsn: number, op: number): Offset => ({ lsn: BigInt(lsn), op });

function world(options: { chunkBytes?: number; visibility?: Visibility } = {}) {
  const store = new DrivenStore();
  const chunkBytes = options.chunkBytes ?? 1_000_000;
  const resources = { store, tails: new TailBudget(), pages: new PageCache(), chunkBytes };
  const make = (handle: string) => {
    store.createShape(handle, "");
    const shape = new Shape(handle, definition(), resources, 0);
    shape.markVisible(options.visibility ?? EMPTY_VISIBILITY);
    shape.completeSnapshot();
    return shape;
  };
  return { store, make };
}

const encoder = new ItemEncoder(definition(), (name) => ["id", "n", "v"].indexOf(name));
const writer = new JsonWriter();
const begin = (lsn: number, xid = 7) => new TransactionLog(BigInt(lsn), xid, writer);

function insert(log: TransactionLog, shape: Shape, op: number, text = "x"): void {
  const row = rowOfTexts([`${op}`, null, text]);
  log.add(shape, { kind: "insert", encoder, old: undefined, row, op });
}

function changeKey(log: TransactionLog, shape: Shape, op: number, from: string, to: string): void {
  const [old, row] = [from, to].map((id) => rowOfTexts([id, null, "x"]));
  log.add(shape, { kind: "update", encoder, old, row, op });
}

interface PageOfItems {
  readonly items: readonly Item[];
  readonly until: Offset;
}

/** Pages of the log from its start, all from the tail. */
function pages(shape: Shape): PageOfItems[] {
  const read: PageOfItems[] = [];
  for (let offset = SNAPSHOT_END;;) {
    const page = shape.page({ kind: "at", offset });
    ok(page?.body.kind === "bytes");
    if (!page.hasData) return read;
    read.push({ items: parseItems(page.body.bytes), until: page.until });
    offset = page.until;
  }
}

const items = (shape: Shape) => pages(shape).flatMap(({ items }) => items);
const positions = (read: readonly Item[]) =>
  read.map(({ headers }) => `${headers.op_position}${headers.last ? " last" : ""}`);

Deno.test("TransactionLog marks the last operation of each shape, and no other", () => {
  const { make } = world();
  const [a, b, none] = [make("a"), make("b"), make("none")];
  const log = begin(100);
  insert(log, a, 0);
  insert(log, b, 0);
  insert(log, a, 4);
  insert(log, b, 6);
  insert(log, a, 10);
  deepEqual(log.commit(), [a, b]);
  deepEqual(positions(items(a)), ["0", "4", "10 last"]);
  deepEqual(positions(items(b)), ["0", "6 last"]);
  deepEqual(items(a)[0].headers.txids, [7]);
  equal(items(a)[0].headers.lsn, "100");
  deepEqual([a.head, b.head, none.head], [at(100, 10), at(100, 6), SNAPSHOT_END]);
});

Deno.test("TransactionLog puts last on the insert half of a key change", () => {
  const { make } = world();
  const shape = make("a"), log = begin(100);
  changeKey(log, shape, 0, "1", "2");
  changeKey(log, shape, 2, "3", "4");
  log.commit();
  deepEqual(positions(items(shape)), ["0", "1", "2", "3 last"]);
  deepEqual(shape.head, at(100, 3));
});

Deno.test("TransactionLog.writeSome() keeps back what may be each shape's last operation", () => {
  const { make } = world();
  const [a, b] = [make("a"), make("b")];
  const log = begin(100);
  insert(log, a, 0);
  insert(log, a, 2);
  insert(log, b, 4);
  log.writeSome();
  deepEqual([a.head, a.appended], [SNAPSHOT_END, at(100, 0)], "I2: written, not shown");
  log.writeSome();
  insert(log, a, 6);
  log.writeSome();
  log.commit();
  deepEqual(positions(items(a)), ["0", "2", "6 last"]);
  deepEqual(positions(items(b)), ["4 last"]);
});

Deno.test("TransactionLog shows nothing before the commit", () => {
  const { make } = world();
  const shape = make("a"), log = begin(100);
  insert(log, shape, 0);
  insert(log, shape, 2);
  log.writeSome();
  deepEqual(pages(shape), []);
  log.commit();
  deepEqual(positions(items(shape)), ["0", "2 last"]);
});

Deno.test("TransactionLog: a transaction that is sent again appends nothing twice and ends complete", () => {
  const { make, store } = world();
  const shape = make("a");
  const first = begin(100);
  insert(first, shape, 0);
  changeKey(first, shape, 2, "1", "2");
  insert(first, shape, 4);
  first.writeSome();
  deepEqual(shape.appended, at(100, 3));
  const again = begin(100);
  for (const log of [again]) {
    insert(log, shape, 0);
    changeKey(log, shape, 2, "1", "2");
    insert(log, shape, 4);
    insert(log, shape, 6);
  }
  deepEqual(again.commit(), [shape]);
  deepEqual(positions(items(shape)), ["0", "2", "3", "4", "6 last"]);
  equal(store.calls.filter((call) => call === "appendLog a").length, 2);
});

Deno.test("TransactionLog leaves out what the snapshot saw", () => {
  const visibility = { xmin: 10n, xmax: 20n, inProgress: [12n], walPosition: 1000n };
  const { make } = world({ visibility });
  const seen = make("a"), log = begin(100, 11), running = begin(200, 12), later = begin(2000, 11);
  for (const each of [log, running, later]) insert(each, seen, 0);
  equal(log.isSeenBy(seen), true);
  equal(running.isSeenBy(seen), false);
  deepEqual(log.commit(), []);
  deepEqual(running.commit(), [seen]);
  deepEqual(later.commit(), [seen]);
  deepEqual(items(seen).map(({ headers }) => headers.lsn), ["200", "2000"]);
});

Deno.test("TransactionLog.forget() drops what was gathered for a shape that ended", () => {
  const { make, store } = world();
  const shape = make("a"), log = begin(100);
  insert(log, shape, 0);
  log.forget(shape);
  insert(log, shape, 2);
  equal(log.isSeenBy(shape), true);
  deepEqual(log.commit(), []);
  equal(store.calls.includes("appendLog a"), false);
});

Deno.test("TransactionLog.isFull is true when much was gathered, until some was written", () => {
  const { make } = world();
  const shape = make("a"), log = begin(100);
  insert(log, shape, 0, "x".repeat(700_000));
  equal(log.isFull, false);
  insert(log, shape, 2, "x".repeat(400_000));
  equal(log.isFull, true);
  log.writeSome();
  equal(log.isFull, false);
  for (let i = 0; i < 4_096; i++) insert(log, shape, 4 + i * 2, "");
  equal(log.isFull, true);
});

Deno.test("TransactionLog cuts entries so that each fits a value of the store", async () => {
  const { make, store } = world();
  const shape = make("a"), log = begin(100);
  for (let i = 0; i < 50; i++) insert(log, shape, i * 2, "x".repeat(5_000));
  log.commit();
  const sizes: number[] = [];
  for await (const { bytes } of store.readLog("a", SNAPSHOT_END, shape.head)) {
    sizes.push(bytes.length);
  }
  ok(sizes.length >= 4 && sizes.every((size) => size < 65_000), `${sizes}`);
  equal(items(shape).length, 50);
});

/** The sizes of golden/paging/log-in-chunks.json: seven rows to a chunk of 2,000 bytes. */
Deno.test("TransactionLog ends a chunk with the item that reaches the limit, across transactions", () => {
  const of = table({
    name: "t1234567_items",
    columns: [{ name: "id", keyIndex: 0 }, { name: "v" }],
  });
  const encoder = new ItemEncoder(definition(of), (name) => ["id", "v"].indexOf(name));
  const { make } = world({ chunkBytes: 2000 });
  const shape = make("a");
  let id = 0;
  for (const [lsn, count] of [[100, 30], [200, 10]]) {
    const log = begin(lsn, 757);
    for (let op = 0; op < count * 2; op += 2) {
      const row = rowOfTexts([`${++id}`, "x".repeat(110)]);
      log.add(shape, { kind: "insert", encoder, old: undefined, row, op });
    }
    log.commit();
  }
  deepEqual(pages(shape).map(({ items }) => items.length), [7, 7, 7, 7, 7, 5]);
  deepEqual(pages(shape).map(({ until }) => until), [
    at(100, 12),
    at(100, 26),
    at(100, 40),
    at(100, 54),
    at(200, 8),
    at(200, 18),
  ]);
});

Deno.test("TransactionLog counts the bytes of items, without the commas between them", () => {
  const item = (op: number) => {
    const writer = new JsonWriter();
    const header = new TextEncoder().encode(',"lsn":"100","txids":[7],"op_position":');
    encoder.insert(writer, rowOfTexts([`${op}`, null, "x"]), header, op, false);
    return writer.take().length - 1;
  };
  for (const [chunkBytes, sizes] of [[2 * item(0), [2, 2]], [2 * item(0) + 1, [3, 1]]] as const) {
    const { make } = world({ chunkBytes });
    const shape = make("a"), log = begin(100);
    for (const op of [0, 2, 4, 6]) insert(log, shape, op);
    log.commit();
    deepEqual(pages(shape).map(({ items }) => items.length), sizes);
  }
});

const scripts = fc.array(
  fc.record({
    shape: fc.nat(2),
    isKeyChange: fc.boolean(),
    size: fc.nat(400),
    then: fc.constantFrom("go on", "go on", "write some", "lose the connection", "commit"),
  }),
  { minLength: 1, maxLength: 40 },
);

Deno.test("I3, I6: TransactionLog: whatever is cut or lost, logs are whole and offsets grow", () => {
  check(
    fc.property(scripts, fc.integer({ min: 1, max: 3000 }), (script, chunkBytes) => {
      const { make } = world({ chunkBytes });
      const shapes = ["a", "b", "c"].map(make);
      const expected = shapes.map((): string[] => []);
      let lsn = 100, log = begin(lsn), pending: (typeof script)[number][] = [];
      const add = (step: (typeof script)[number], op: number) => {
        const shape = shapes[step.shape];
        if (step.isKeyChange) changeKey(log, shape, op, `k${op}`, "x".repeat(step.size));
        else insert(log, shape, op, "x".repeat(step.size));
      };
      const commit = () => {
        const changed = log.commit();
        pending.forEach(({ shape, isKeyChange }, i) => {
          expected[shape].push(`${lsn}_${i * 2}`);
          if (isKeyChange) expected[shape].push(`${lsn}_${i * 2 + 1}`);
          ok(changed.includes(shapes[shape]));
        });
        lsn += 100;
        pending = [];
        log = begin(lsn);
      };
      for (const step of script) {
        add(step, pending.push(step) * 2 - 2);
        if (step.then === "write some") log.writeSome();
        if (step.then === "commit") commit();
        if (step.then !== "lose the connection") continue;
        log = begin(lsn);
        pending.forEach((each, i) => add(each, i * 2));
      }
      commit();
      shapes.forEach((shape, i) => {
        const read = pages(shape);
        const offsets = read.flatMap(({ items }) => items).map(({ headers }) =>
          `${headers.lsn}_${headers.op_position}`
        );
        deepEqual(offsets, expected[i]);
        for (const { items, until } of read) {
          const last = items.at(-1)?.headers;
          deepEqual(until, at(Number(last?.lsn), last?.op_position ?? -1));
        }
        equal(lastsAreRight(read.flatMap(({ items }) => items)), true);
      });
    }),
    200,
  );
});

/** `last` is on the final item of each transaction and nowhere else. */
function lastsAreRight(read: readonly Item[]): boolean {
  return read.every(({ headers }, i) =>
    (headers.last === true) === (read[i + 1]?.headers.lsn !== headers.lsn)
  );
}

Deno.test("LogReplayer accepts what TransactionLog writes", () => {
  const { make } = world();
  const shape = make("a"), log = begin(100);
  insert(log, shape, 0);
  changeKey(log, shape, 2, "0", "5");
  log.commit();
  const replayer = new LogReplayer();
  replayer.apply([{ headers: { control: "snapshot-end" } }, ...items(shape)]);
  deepEqual([...replayer.rows.keys()], ['"public"."items"/"5"']);
  equal(replayer.isAtTransactionEnd, true);
  equal(replayer.offset, "100_3");
});
