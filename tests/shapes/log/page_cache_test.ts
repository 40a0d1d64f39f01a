import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { CACHED_PAGE_BYTES_MAX, PageCache } from "../../../shapes/log/page_cache.ts";

const page = (size: number, fill = 0) => new Uint8Array(size).fill(fill);

Deno.test("PageCache gives back what was put, and only that", () => {
  const cache = new PageCache();
  cache.put("a", page(3, 1));
  deepEqual(cache.get("a"), page(3, 1));
  equal(cache.get("b"), undefined);
});

Deno.test("PageCache lets go of the page that was asked for least recently", () => {
  const cache = new PageCache(3 * 1300);
  for (const key of ["a", "b", "c"]) cache.put(key, page(1000));
  ok(cache.get("a"));
  cache.put("d", page(1000));
  equal(cache.get("b"), undefined);
  deepEqual(["a", "c", "d"].map((key) => cache.get(key)?.length), [1000, 1000, 1000]);
});

Deno.test("PageCache keeps no page that is too large, and none beyond its budget", () => {
  const cache = new PageCache();
  cache.put("large", page(CACHED_PAGE_BYTES_MAX + 1));
  equal(cache.get("large"), undefined);
  cache.put("largest", page(CACHED_PAGE_BYTES_MAX));
  ok(cache.get("largest"));
  const small = new PageCache(1000);
  small.put("a", page(2000));
  equal(small.get("a"), undefined);
  small.put("b", page(500));
  ok(small.get("b"));
});

Deno.test("PageCache counts a page once that is put twice", () => {
  const cache = new PageCache(2 * 1300);
  cache.put("a", page(1000, 1));
  for (let i = 0; i < 5; i++) cache.put("b", page(1000, 2));
  deepEqual(cache.get("a"), page(1000, 1));
  deepEqual(cache.get("b"), page(1000, 2));
});

Deno.test("I10: PageCache keeps no more memory alive than the page itself", () => {
  const cache = new PageCache();
  const slab = page(256 * 1024, 7);
  cache.put("a", slab.subarray(1000, 1300));
  const kept = cache.get("a");
  deepEqual(kept, page(300, 7));
  ok(kept && kept.buffer.byteLength < 1000, "a page of 300 bytes pins a slab of 256 KiB");
});
