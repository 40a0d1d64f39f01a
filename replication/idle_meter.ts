/** Whether anything is going on that connections to Postgres must be kept open for. */

export class IdleMeter {
  readonly #timeoutMs: number;
  readonly #now: () => number;
  readonly #onActivity: () => void;
  #open = 0;
  #lastMs: number;

  /** Idle after `timeoutMs` without anything; never with 0. */
  constructor(timeoutMs: number, now: () => number, onActivity: () => void) {
    this.#timeoutMs = timeoutMs;
    this.#now = now;
    this.#onActivity = onActivity;
    this.#lastMs = now();
  }

  get isIdle(): boolean {
    if (this.#timeoutMs === 0 || this.#open > 0) return false;
    return this.#now() - this.#lastMs >= this.#timeoutMs;
  }

  /** Something happened. */
  note(): void {
    this.#lastMs = this.#now();
    this.#onActivity();
  }

  /** Something begins; what is returned tells that it has ended, and may be called again. */
  begin(): () => void {
    let isOpen = true;
    this.#open += 1;
    this.note();
    return () => {
      if (!isOpen) return;
      isOpen = false;
      this.#open -= 1;
      this.#lastMs = this.#now();
    };
  }
}
