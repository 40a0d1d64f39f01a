import type { DeadlineClock } from "../../server/deadlines.ts";

/** 2026-01-01: any moment after the epoch of cursors will do. */
const START_MS = Date.UTC(2026, 0, 1);

/** A clock that moves when a test says so. */
export class ManualClock implements DeadlineClock {
  #nowMs = START_MS;
  readonly #armed = new Map<number, { dueMs: number; callback: () => void }>();
  #lastId = 0;

  readonly now = (): number => this.#nowMs;

  /** Timers that wait now. */
  get armed(): number {
    return this.#armed.size;
  }

  arm(delayMs: number, callback: () => void): () => void {
    const id = ++this.#lastId;
    this.#armed.set(id, { dueMs: this.#nowMs + delayMs, callback });
    return () => this.#armed.delete(id);
  }

  /** Lets time pass and everything that follows from it happen. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    for (;;) {
      const due = [...this.#armed].filter(([, timer]) => timer.dueMs <= endMs)
        .sort(([, a], [, b]) => a.dueMs - b.dueMs)[0];
      if (!due) break;
      const [id, { dueMs, callback }] = due;
      this.#armed.delete(id);
      this.#nowMs = Math.max(this.#nowMs, dueMs);
      callback();
      await settle();
    }
    this.#nowMs = endMs;
    await settle();
  }
}

/** Lets everything that waits for nothing but its turn run. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) {
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
}
