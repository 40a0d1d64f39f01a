import {
  deepStrictEqual as deepEqual,
  ok,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import { PageCache } from "../../shapes/log/page_cache.ts";
import { TailBudget } from "../../shapes/log/tail.ts";
import type { Page } from "../../shapes/service.ts";
import { Shape } from "../../shapes/shape.ts";
import {
  fillShape,
  formatStoredSnapshot,
  parseStoredSnapshot,
  type SnapshotOptions,
} from "../../shapes/snapshot.ts";
import type { Table } from "../../shapes/table.ts";
import { DrivenStore } from "../support/driven_store.ts";
import { isItem, type Message, parseMessages } from "../support/log_replayer.ts";
import { ScriptedSource } from "../support/scripted_source.ts";
import { definition, table } from "../support/shape_fixture.ts";

interface World {
  readonly chunkBytes?: number;
  readonly isPrompt?: boolean;
  readonly log?: "full" | "changes_only";
  readonly of?: Table;
}

const ROWS = [
  { id: "1", n: null, v: "" },
  { id: "2", n: "20", v: "tab\tand\nline" },
  { id: "3", n: "30", v: 'quote" \\ é🚀' },
];

function open({ chunkBytes = 1e6, isPrompt = true, log = "full", of = table() }: World = {}) {
  const store = new DrivenStore({ isPrompt });
  const resources = { store, tails: new TailBudget(), pages: new PageCache(), chunkBytes };
  const source = new ScriptedSource();
  source.visibility = {
    xmin: 2n ** 33n,
    xmax: 2n ** 33n + 5n,
    inProgress: [2n ** 33n + 1n],
    walPosition: 99n,
  };
  source.rows.set(5000, ROWS);
  const shape = new Shape("1-1", definition(of, { log }), resources, 0);
  store.createShape(shape.handle, "");
  const events: string[] = [];
  const options: SnapshotOptions = {
    place: (visibility) => visibility,
    source,
    store,
    chunkBytes,
    signal: new AbortController().signal,
    onReserved: () => events.push("reserved"),
    onVisible: () => events.push("visible"),
  };
  const fill = async () => {
    await fillShape(shape, options);
    shape.completeSnapshot();
  };
  return { store, source, shape, events, fill };
}

async function messagesOf(page: Page | undefined): Promise<Message[]> {
  ok(page);
  if (page.body.kind === "bytes") return parseMessages(page.body.bytes);
  const pieces: number[] = [];
  const body = page.body.open();
  for (let next = await body.next(); !next.done; next = await body.next()) {
    pieces.push(...next.value);
  }
  return parseMessages(new Uint8Array(pieces));
}

/** Every page of the snapshot. */
async function pagesOf(shape: Shape): Promise<Message[][]> {
  const pages: Message[][] = [await messagesOf(shape.page({ kind: "before" }))];
  for (let op = 0;; op++) {
    const page = shape.page({ kind: "at", offset: { lsn: 0n, op } });
    if (!page || page.until.op === Infinity) return pages;
    pages.push(await messagesOf(page));
  }
}

const END = {
  headers: {
    control: "snapshot-end",
    xmin: "8589934592",
    xmax: "8589934597",
    xip_list: ["8589934593"],
  },
};

Deno.test("fillShape() makes items of the rows, and the end of what the snapshot saw", async () => {
  const { shape, events, fill } = open();
  await fill();
  const headers = { operation: "insert", relation: ["public", "items"] };
  deepEqual(await pagesOf(shape), [[
    ...ROWS.map((value) => ({ key: `"public"."items"/"${value.id}"`, value, headers })),
    END,
  ]]);
  deepEqual(events, ["reserved", "visible"]);
  equal(shape.isStarted, true);
});

Deno.test("fillShape() of an empty table, or without rows wanted, is only the end", async () => {
  const empty = open();
  empty.source.rows.clear();
  await empty.fill();
  deepEqual(await pagesOf(empty.shape), [[END]]);
  const { shape, fill } = open({ log: "changes_only" });
  await fill();
  deepEqual(await pagesOf(shape), [[END]]);
});

/** The sizes of golden/paging/snapshot-in-chunks.json: nine rows to a chunk of 2,000 bytes. */
Deno.test("fillShape() ends a chunk with the row that reaches the limit", async () => {
  const columns = [{ name: "id", typeName: "int4", keyIndex: 0 }, { name: "v" }];
  const { shape, source, fill } = open({
    chunkBytes: 2000,
    of: table({ name: "t1234567_items", columns }),
  });
  const v = "x".repeat(100);
  source.rows.set(5000, Array.from({ length: 40 }, (_, i) => ({ id: `${i + 1}`, v })));
  await fill();
  const pages = await pagesOf(shape);
  deepEqual(pages.map((page) => page.filter(isItem).length), [9, 9, 9, 9, 4]);
  deepEqual(pages.map((page) => page.length), [9, 9, 9, 9, 5]);
});

Deno.test("fillShape() puts the end alone in a chunk when the last row has closed one", async () => {
  const { shape, fill } = open({ chunkBytes: 1 });
  await fill();
  const pages = await pagesOf(shape);
  deepEqual(pages.map((page) => page.length), [1, 1, 1, 1]);
  deepEqual(pages.at(-1), [END]);
});

Deno.test("fillShape() counts a row's bytes and one more", async () => {
  const { shape: whole, fill } = open();
  await fill();
  const [page] = await pagesOf(whole);
  const sizes = page.map((each) => new TextEncoder().encode(JSON.stringify(each)).length + 1);
  for (
    const [chunkBytes, pages] of [[sizes[0] + sizes[1], [2, 2]], [sizes[0] + sizes[1] + 1, [
      3,
      1,
    ]]] as const
  ) {
    const { shape, fill } = open({ chunkBytes });
    await fill();
    deepEqual((await pagesOf(shape)).map((page) => page.length), pages);
  }
});

Deno.test("fillShape() shows rows as they come", async () => {
  const { shape, source, fill } = open();
  source.batchSize = 1;
  source.close("rows");
  const filled = fill();
  await source.reached("rows");
  const page = shape.page({ kind: "before" });
  ok(page?.body.kind === "stream");
  const body = page.body.open();
  const first = body.next();
  source.close("end");
  source.open("rows");
  const text = new TextDecoder().decode((await first).value);
  ok(text.startsWith(',{"key":"\\"public\\".\\"items\\"/\\"1\\""'), text);
  source.open("end");
  await filled;
  await body.return?.();
});

Deno.test("fillShape() is done only when the whole snapshot is durable", async () => {
  const { shape, store, source, fill } = open({ isPrompt: false });
  source.close("end");
  let isDone = false;
  const filled = fill().then(() => isDone = true);
  await source.reached("end");
  source.open("end");
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
  equal(store.calls.at(-1), "completeSnapshot 1-1");
  while (store.pending > 1) store.commit(1);
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
  deepEqual([isDone, shape.isComplete], [false, false]);
  store.commit();
  await filled;
  equal(shape.isComplete, true);
});

Deno.test("fillShape() waits for a store that is far behind", async () => {
  const { store, source, fill } = open({ isPrompt: false });
  const large = "x".repeat(9 * 1024 * 1024);
  source.rows.set(5000, [1, 2, 3].map((id) => ({ id: `${id}`, n: null, v: large })));
  source.batchSize = 1;
  const filled = fill();
  const rowsWritten = () => store.calls.filter((call) => call.startsWith("appendSnapshot")).length;
  while (rowsWritten() < 2) await new Promise((resolve) => setTimeout(resolve));
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
  equal(rowsWritten(), 2);
  store.commit();
  while (rowsWritten() < 4) await new Promise((resolve) => setTimeout(resolve));
  store.commit();
  await filled;
});

Deno.test("fillShape() passes on why the source failed, or that it gave no snapshot", async () => {
  const failing = open();
  failing.source.failures.rows = new Error("Connection lost");
  await rejects(failing.fill(), { message: "Connection lost" });
  equal(failing.store.calls.includes("completeSnapshot 1-1"), false);
  const { shape, source, fill } = open();
  source.snapshot = () => Promise.resolve();
  await rejects(fill(), TypeError);
  equal(shape.isStarted, false);
});

Deno.test("parseStoredSnapshot() reads what formatStoredSnapshot() wrote", () => {
  const visibility = {
    xmin: 2n ** 40n,
    xmax: 2n ** 41n,
    inProgress: [2n ** 40n + 1n],
    walPosition: 2n ** 63n,
  };
  const snapshot = { chunks: [12, 0, 5_000_000_000], visibility };
  deepEqual(parseStoredSnapshot(formatStoredSnapshot(snapshot)), snapshot);
});
