/** Pages that are small enough to keep whole, shared by all who ask for them. Least recently used go. */

/** Pages beyond this are streamed from the store instead. */
export const CACHED_PAGE_BYTES_MAX = 1024 * 1024;

const CACHE_BYTES_MAX = 32 * 1024 * 1024;
/** What an entry costs besides its bytes: key, map slot, view. */
const ENTRY_OVERHEAD_BYTES = 300;

export class PageCache {
  readonly #pages = new Map<string, Uint8Array>();
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax = CACHE_BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  get(key: string): Uint8Array | undefined {
    const page = this.#pages.get(key);
    if (page === undefined) return undefined;
    this.#pages.delete(key);
    this.#pages.set(key, page);
    return page;
  }

  put(key: string, page: Uint8Array): void {
    if (page.length > CACHED_PAGE_BYTES_MAX || this.#pages.has(key)) return;
    // A page may be a small part of a slab, which it would keep alive for as long as it is cached.
    const isPart = page.length * 2 < page.buffer.byteLength;
    this.#pages.set(key, isPart ? new Uint8Array(page) : page);
    this.#bytes += page.length + ENTRY_OVERHEAD_BYTES;
    for (const [oldest, { length }] of this.#pages) {
      if (this.#bytes <= this.#bytesMax) break;
      this.#pages.delete(oldest);
      this.#bytes -= length + ENTRY_OVERHEAD_BYTES;
    }
  }
}
