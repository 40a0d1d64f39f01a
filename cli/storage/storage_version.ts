/**
 * Whether a storage file of another process has been written to, told without reading it: by its
 * write-ahead log, to which every commit is written first.
 */

/** A file's time is no finer than the system's clock tick: what is younger may be written again. */
const SETTLED_MS = 100;

export class StorageVersion {
  readonly #path: string;
  #seen: string | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** Reads unless nothing has been written since the last time that it succeeded. */
  async whenNew<T>(read: () => Promise<T>): Promise<T | undefined> {
    const before = await this.#look();
    if (before !== undefined && before === this.#seen) return undefined;
    const found = await read();
    this.#seen = before;
    return found;
  }

  /** Undefined while it may change without a trace. */
  async #look(): Promise<string | undefined> {
    const { mtime, size, ino } = await this.#stat();
    if (!mtime || Date.now() - mtime.getTime() < SETTLED_MS) return undefined;
    return `${ino} ${size} ${mtime.getTime()}`;
  }

  async #stat(): Promise<Deno.FileInfo> {
    try {
      return await Deno.stat(`${this.#path}-wal`);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return await Deno.stat(this.#path);
      throw error;
    }
  }
}
