import {
  deepStrictEqual as deepEqual,
  ok,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import fc from "fast-check";
import { LogReader } from "../../../shapes/log/log_reader.ts";
import { CACHED_PAGE_BYTES_MAX, PageCache } from "../../../shapes/log/page_cache.ts";
import type { LogEntry } from "../../../shapes/log/store.ts";
import { Tail, TailBudget } from "../../../shapes/log/tail.ts";
import { compareOffsets, type Offset, SNAPSHOT_END } from "../../../shapes/offset.ts";
import type { Page } from "../../../shapes/service.ts";
import { checkAsync } from "../../support/arbitrary.ts";
import { DrivenStore } from "../../support/driven_store.ts";
import { type Item, parseItems } from "../../support/log_replayer.ts";

const HANDLE = "1-1";
const at = (lsn: number, op = 0): Offset => ({ lsn: BigInt(lsn), op });
const offsetOf = ({ headers }: Item): Offset => at(Number(headers.lsn), headers.op_position);

function item(lsn: number, op: number, size: number): string {
  const headers = { operation: "insert", relation: [], lsn: `${lsn}`, txids: [1], op_position: op };
  return `,${JSON.stringify({ key: `${lsn}/${op}`, value: { v: "x".repeat(size) }, headers })}`;
}

/** Items at ops 0, 2, 4, … of one transaction, each of about so many bytes. */
function entry(lsn: number, sizes: readonly number[], firstOp = 0): LogEntry {
  const items = sizes.map((size, i) => item(lsn, firstOp + i * 2, size));
  return {
    first: at(lsn, firstOp),
    last: at(lsn, firstOp + (sizes.length - 1) * 2),
    bytes: new TextEncoder().encode(items.join("")),
  };
}

interface World {
  readonly entries: readonly LogEntry[];
  readonly chunkEnds?: readonly Offset[];
  readonly tailBytes?: number;
  readonly pieceBytes?: number;
}

function open({ entries, chunkEnds = [], tailBytes, pieceBytes }: World): LogReader {
  const store = new DrivenStore({ pieceBytes });
  store.createShape(HANDLE, "");
  const tail = new Tail(SNAPSHOT_END), budget = new TailBudget(tailBytes);
  const reader = new LogReader(HANDLE, { store, pages: new PageCache() }, tail, []);
  for (const each of entries) {
    budget.push(tail, each);
    store.appendLog(HANDLE, each);
  }
  for (const end of chunkEnds) reader.endChunk(end);
  return reader;
}

async function itemsOf(page: Page): Promise<Item[]> {
  if (page.body.kind === "bytes") return parseItems(page.body.bytes);
  const pieces: Uint8Array[] = [];
  const body = page.body.open();
  for (let next = await body.next(); !next.done; next = await body.next()) {
    pieces.push(next.value.slice());
  }
  return parseItems(new Uint8Array(await new Blob(pieces as BlobPart[]).arrayBuffer()));
}

const keys = async (page: Page) => (await itemsOf(page)).map(({ key }) => key);
const ENTRIES = [entry(10, [1, 1, 1]), entry(20, [1]), entry(30, [1, 1])];
const HEAD = at(30, 2);
const IN_TAIL: World = { entries: ENTRIES };
const IN_STORE: World = { entries: ENTRIES, tailBytes: 0 };

Deno.test("LogReader.page() is empty and up to date at the head", () => {
  const page = open(IN_TAIL).page(HEAD, HEAD);
  deepEqual([page.until, page.isUpToDate, page.hasData], [HEAD, true, false]);
  ok(page.body.kind === "bytes" && page.body.bytes.length === 0);
});

Deno.test("LogReader.page() answers what lies beyond any offset, existing or not", async () => {
  const cases: readonly (readonly [Offset, readonly string[]])[] = [
    [SNAPSHOT_END, ["10/0", "10/2", "10/4", "20/0", "30/0", "30/2"]],
    [at(9, 7), ["10/0", "10/2", "10/4", "20/0", "30/0", "30/2"]],
    [at(10, 0), ["10/2", "10/4", "20/0", "30/0", "30/2"]],
    [at(10, 3), ["10/4", "20/0", "30/0", "30/2"]],
    [at(10, 4), ["20/0", "30/0", "30/2"]],
    [at(19, Infinity), ["20/0", "30/0", "30/2"]],
    [at(20, 5), ["30/0", "30/2"]],
    [at(30, 0), ["30/2"]],
    [at(30, 1), ["30/2"]],
  ];
  for (const world of [IN_TAIL, IN_STORE, { ...IN_STORE, pieceBytes: 7 }]) {
    for (const [since, expected] of cases) {
      const page = open(world).page(since, HEAD);
      deepEqual([page.until, page.isUpToDate, page.hasData], [HEAD, true, true]);
      deepEqual(await keys(page), expected);
    }
  }
});

Deno.test("I2: LogReader.page() shows nothing beyond the head", async () => {
  for (const world of [IN_TAIL, IN_STORE]) {
    const reader = open({ ...world, chunkEnds: [HEAD] });
    const page = reader.page(SNAPSHOT_END, at(20));
    deepEqual([page.until, page.isUpToDate], [at(20), true]);
    deepEqual(await keys(page), ["10/0", "10/2", "10/4", "20/0"]);
  }
});

Deno.test("LogReader.page() stops at the end of the chunk that since lies in", async () => {
  const reader = open({ ...IN_TAIL, chunkEnds: [at(10, 4), at(30, 2)] });
  const first = reader.page(SNAPSHOT_END, HEAD);
  deepEqual([first.until, first.isUpToDate], [at(10, 4), false]);
  deepEqual(await keys(first), ["10/0", "10/2", "10/4"]);
  const second = reader.page(first.until, HEAD);
  deepEqual([second.until, second.isUpToDate], [HEAD, true]);
  deepEqual(await keys(second), ["20/0", "30/0", "30/2"]);
  deepEqual(await keys(reader.page(at(10, 2), HEAD)), ["10/4"]);
});

Deno.test("LogReader.page() builds a page once for all who ask", async () => {
  const reader = open(IN_TAIL);
  const bodies = [reader.page(at(10, 0), HEAD), reader.page(at(10, 0), HEAD)]
    .map(({ body }) => body.kind === "bytes" ? body.bytes : undefined);
  ok(bodies[0] && bodies[1]);
  deepEqual(bodies[0], bodies[1]);
  const stored = open(IN_STORE);
  equal(stored.page(at(10, 0), HEAD).body.kind, "stream");
  await keys(stored.page(at(10, 0), HEAD));
  equal(stored.page(at(10, 0), HEAD).body.kind, "bytes");
});

Deno.test("LogReader.page() streams what is too large to keep", async () => {
  const entries = [entry(10, [CACHED_PAGE_BYTES_MAX, 1]), entry(20, [1])];
  const page = open({ entries }).page(SNAPSHOT_END, at(20));
  equal(page.body.kind, "stream");
  deepEqual(await keys(page), ["10/0", "10/2", "20/0"]);
});

Deno.test("LogReader.page() goes on from within an entry that the store hands out in pieces", async () => {
  const entries = [entry(10, [5, 200_000, 5, 90_000]), entry(20, [100_000])];
  const reader = open({ entries, tailBytes: 0, pieceBytes: 65_000 });
  deepEqual(await keys(reader.page(at(10, 0), at(20))), ["10/2", "10/4", "10/6", "20/0"]);
  deepEqual(await keys(reader.page(at(10, 2), at(20))), ["10/4", "10/6", "20/0"]);
});

/** Transactions of one or more entries, with chunk ends at some of their ends. */
const logs = fc.array(
  fc.array(fc.array(fc.nat(60), { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 3 }),
  { minLength: 1, maxLength: 6 },
).map((transactions) =>
  transactions.flatMap((parts, i) => {
    let op = 0;
    return parts.map((sizes) => {
      const made = entry((i + 1) * 10, sizes, op);
      op += sizes.length * 2;
      return made;
    });
  })
);
const sinces = fc.record({ lsn: fc.nat(70), op: fc.oneof(fc.nat(26), fc.constant(Infinity)) });

Deno.test("LogReader: any log from any offset reads the same from the tail and from the store", async () => {
  const picks = fc.array(fc.boolean(), { minLength: 18, maxLength: 18 });
  await checkAsync(
    fc.asyncProperty(
      logs,
      picks,
      sinces,
      fc.nat(3000),
      fc.integer({ min: 1, max: 400 }),
      async (entries, isEnd, { lsn, op }, tailBytes, pieceBytes) => {
        const chunkEnds = entries.map(({ last }) => last).filter((_, i) => isEnd[i]);
        const head = entries[entries.length - 1].last;
        const start = lsn === 0 ? SNAPSHOT_END : at(lsn, op);
        const expected = entries.flatMap(({ bytes }) => parseItems(bytes))
          .filter((each) => compareOffsets(offsetOf(each), start) > 0);
        for (const reach of [undefined, 0, tailBytes]) {
          const reader = open({ entries, chunkEnds, tailBytes: reach, pieceBytes });
          const seen: Item[] = [];
          for (let since = start; compareOffsets(since, head) < 0;) {
            const page = reader.page(since, head);
            const items = await itemsOf(page);
            ok(items.length > 0, "a page without items");
            deepEqual(page.until, offsetOf(items[items.length - 1]), "I6");
            equal(page.isUpToDate, compareOffsets(page.until, head) === 0);
            seen.push(...items);
            since = page.until;
          }
          deepEqual(seen, expected);
        }
      },
    ),
    100,
  );
});

Deno.test("LogReader.page() breaks off rather than ends before its own end", async () => {
  const page = open(IN_STORE).page(at(10, 2), at(31));
  deepEqual([page.until, page.isUpToDate], [at(31), true]);
  await rejects(itemsOf(page), RangeError);
});

Deno.test("LogReader.page() does not end where only readers of what was lost can be", () => {
  const reader = open({ entries: ENTRIES, chunkEnds: [at(10, 4), at(20)] });
  const gaps = [{ after: at(10, 2), before: at(20) }];
  deepEqual(reader.page(SNAPSHOT_END, HEAD).until, at(10, 4));
  deepEqual(reader.page(SNAPSHOT_END, HEAD, gaps).until, at(20));
  deepEqual(reader.page(SNAPSHOT_END, HEAD, [{ after: at(10, 2), before: at(30) }]).until, HEAD);
});
