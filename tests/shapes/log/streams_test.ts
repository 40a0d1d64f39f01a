import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import { CACHED_PAGE_BYTES_MAX } from "../../../shapes/log/page_cache.ts";
import { collecting, concat, piecesOf } from "../../../shapes/log/streams.ts";

const bytes = (...values: number[]) => new Uint8Array(values);

async function all(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const seen: Uint8Array[] = [];
  for await (const piece of pieces) seen.push(piece);
  return seen;
}

function keeper() {
  const kept: Uint8Array[] = [];
  return { kept, keep: (whole: Uint8Array) => kept.push(whole) };
}

Deno.test("concat() joins pieces in order", () => {
  deepEqual(concat([bytes(1, 2), bytes(), bytes(3)], 3), bytes(1, 2, 3));
  deepEqual(concat([bytes(4)], 1), bytes(4));
  deepEqual(concat([], 0), bytes());
});

Deno.test("piecesOf() gives every piece once", async () => {
  deepEqual(await all(piecesOf([bytes(1), bytes(2, 3)])), [bytes(1), bytes(2, 3)]);
});

Deno.test("collecting() passes pieces on and keeps the whole at the end", async () => {
  const { kept, keep } = keeper();
  const passed = await all(collecting(piecesOf([bytes(1), bytes(2, 3)]), keep));
  deepEqual(passed, [bytes(1), bytes(2, 3)]);
  deepEqual(kept, [bytes(1, 2, 3)]);
});

Deno.test("collecting() keeps nothing that is too large", async () => {
  const { kept, keep } = keeper();
  const half = new Uint8Array(CACHED_PAGE_BYTES_MAX / 2 + 1);
  equal((await all(collecting(piecesOf([half, half, half]), keep))).length, 3);
  deepEqual(kept, []);
});

Deno.test("collecting() keeps nothing of what was left or failed half-way", async () => {
  const { kept, keep } = keeper();
  let isReturned = false;
  const pieces = async function* () {
    try {
      yield await Promise.resolve(bytes(1));
      yield bytes(2);
    } finally {
      isReturned = true;
    }
  };
  for await (const _ of collecting(pieces(), keep)) break;
  equal(isReturned, true);
  const failing = async function* () {
    yield await Promise.resolve(bytes(1));
    throw new Error("Disk is gone");
  };
  await rejects(all(collecting(failing(), keep)), /Disk is gone/);
  deepEqual(kept, []);
});
