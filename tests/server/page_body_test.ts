import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import type { Page } from "../../shapes/service.ts";
import type { AnswerBody } from "../../server/answer.ts";
import { EventFramer, frameEvents } from "../../server/event_frames.ts";
import { BODY_PIECE_BYTES } from "../../server/limits.ts";
import { encodeItem, pageBody } from "../../server/page_body.ts";
import { concat, itemBytes } from "./fake_service.ts";

const UNTIL = { lsn: 1n, op: 0 };
const decoder = new TextDecoder();

function bytesPage(bytes: Uint8Array): Page {
  return { until: UNTIL, isUpToDate: true, hasData: true, body: { kind: "bytes", bytes } };
}

function streamPage(pieces: readonly Uint8Array[], counts = { opened: 0, returned: 0 }): Page {
  const open = () => {
    counts.opened++;
    let at = 0;
    const iterator: AsyncIterator<Uint8Array> = {
      next: () => {
        const value = pieces[at++];
        return Promise.resolve(
          value ? { done: false, value } as const : { done: true, value: undefined } as const,
        );
      },
      return: () => {
        counts.returned++;
        return Promise.resolve({ done: true, value: undefined });
      },
    };
    return iterator;
  };
  return { until: UNTIL, isUpToDate: true, hasData: true, body: { kind: "stream", open } };
}

async function pieces(body: AnswerBody): Promise<Uint8Array[]> {
  if (body.kind === "none") return [];
  if (body.kind === "bytes") return [body.bytes];
  const found: Uint8Array[] = [];
  for (let piece; (piece = await body.source.pull());) found.push(piece);
  equal(await body.source.pull(), undefined, "the end stays the end");
  return found;
}

async function text(body: AnswerBody): Promise<string> {
  return decoder.decode(concat(await pieces(body)));
}

const LAST = encodeItem('{"last":1}');

Deno.test("pageBody() joins a small page whole and leaves its bytes alone", async () => {
  const bytes = itemBytes({ a: 1 }, { b: 2 });
  const body = pageBody(bytesPage(bytes), LAST);
  equal(body.kind, "bytes");
  equal(await text(body), '[{"a":1},{"b":2},{"last":1}]');
  equal(await text(pageBody(bytesPage(bytes))), '[{"a":1},{"b":2}]');
  equal(decoder.decode(bytes), ',{"a":1},{"b":2}');
});

Deno.test("pageBody() makes a list of nothing, and of the control message alone", async () => {
  const nothing = new Uint8Array(0);
  for (const page of [bytesPage(nothing), streamPage([]), streamPage([nothing, nothing])]) {
    equal(await text(pageBody(page)), "[]");
    equal(await text(pageBody(page, LAST)), '[{"last":1}]');
  }
});

Deno.test("pageBody() cuts large pages into pieces without changing their bytes", async () => {
  const items = Array.from({ length: 3000 }, (_, n) => ({ n, text: "x".repeat(100) }));
  const bytes = itemBytes(...items);
  const before = bytes.slice(0, 10);
  for (const page of [bytesPage(bytes), streamPage([bytes.subarray(0, 1), bytes.subarray(1)])]) {
    const body = pageBody(page, LAST);
    equal(body.kind, "stream");
    const found = await pieces(body);
    ok(found.every(({ length }) => length <= BODY_PIECE_BYTES));
    deepEqual(JSON.parse(decoder.decode(concat(found))), [...items, { last: 1 }]);
  }
  deepEqual(bytes.subarray(0, 10), before);
});

Deno.test("pageBody() opens a page when it is read and gives it back once when closed", async () => {
  const counts = { opened: 0, returned: 0 };
  const body = pageBody(streamPage([itemBytes(1), itemBytes(2)], counts), LAST);
  if (body.kind !== "stream") throw new TypeError(body.kind);
  deepEqual(counts, { opened: 0, returned: 0 });
  equal(decoder.decode(await body.source.pull()), "[1");
  body.source.close();
  body.source.close();
  equal(await body.source.pull(), undefined);
  deepEqual(counts, { opened: 1, returned: 1 });
});

Deno.test("pageBody() never opens a page that is closed unread", async () => {
  const counts = { opened: 0, returned: 0 };
  const body = pageBody(streamPage([itemBytes(1)], counts));
  if (body.kind !== "stream") throw new TypeError(body.kind);
  body.source.close();
  equal(await body.source.pull(), undefined);
  deepEqual(counts, { opened: 0, returned: 0 });
});

Deno.test("pageBody() leaves the bytes of a page alone, which others share", async () => {
  const item = encodeItem(JSON.stringify("x".repeat(BODY_PIECE_BYTES)));
  // A Node buffer's slice() is a view, and the store's bytes may be one.
  for (const bytes of [item, Buffer.from(item)]) {
    const body = pageBody(bytesPage(bytes));
    if (body.kind !== "stream") throw new TypeError("Too short to be streamed");
    ok(await body.source.pull());
    equal(decoder.decode(bytes), decoder.decode(item));
  }
});

Deno.test("frameEvents() makes one event of each message", () => {
  const last = new TextEncoder().encode("data: end\n\n");
  const framed = frameEvents(itemBytes({ a: [1, { b: "," }] }, { c: '"},{"' }), last);
  equal(
    decoder.decode(framed),
    'data: {"a":[1,{"b":","}]}\n\ndata: {"c":"\\"},{\\""}\n\ndata: end\n\n',
  );
  equal(decoder.decode(frameEvents(new Uint8Array(0), last)), "data: end\n\n");
});

Deno.test("EventFramer frames any messages, however their bytes are cut", () => {
  const property = fc.property(
    fc.array(fc.jsonValue(), { minLength: 1, maxLength: 5 }),
    fc.array(fc.nat({ max: 200 }), { maxLength: 6 }),
    (items, cuts) => {
      const bytes = itemBytes(...items);
      const ends = [...cuts.filter((cut) => cut < bytes.length), bytes.length].sort((a, b) =>
        a - b
      );
      const framer = new EventFramer();
      let from = 0;
      let framed = "";
      const stream = new TextDecoder();
      for (const end of ends) {
        framed += stream.decode(framer.frame(bytes.subarray(from, end)), { stream: true });
        from = end;
      }
      framed += stream.decode(framer.finish(new Uint8Array(0)));
      equal(framed, items.map((item) => `data: ${JSON.stringify(item)}\n\n`).join(""));
    },
  );
  const seed = Date.now();
  console.log(`seed ${seed}`);
  fc.assert(property, { seed, numRuns: 500 });
});
