/**
 * How far the stream may be acknowledged: never beyond what is durable (invariant I1). Every
 * position waits for the last transaction before it that put something into the store.
 */

interface Waiting {
  /** The commit LSN that must be durable first. */
  readonly needs: bigint;
  readonly position: bigint;
}

export class Acknowledger {
  readonly #confirm: (position: bigint) => void;
  #waiting: Waiting[] = [];
  /** The last transaction that put something into the store, and the last durable one. */
  #stored: bigint;
  #durable: bigint;

  /** `applied`: the last transaction that the store holds. */
  constructor(applied: bigint, confirm: (position: bigint) => void) {
    this.#stored = this.#durable = applied;
    this.#confirm = confirm;
  }

  /** A transaction ended at `position`; `isStored` if the store was given something of it. */
  committed(commitLsn: bigint, position: bigint, isStored: boolean): void {
    if (isStored) this.#stored = commitLsn;
    this.reached(position);
  }

  /** Everything before `position` has been taken in. */
  reached(position: bigint): void {
    if (this.#durable >= this.#stored) return this.#confirm(position);
    const last = this.#waiting.at(-1);
    if (last?.needs === this.#stored) this.#waiting.pop();
    this.#waiting.push({ needs: this.#stored, position });
  }

  durable(applied: bigint): void {
    if (applied > this.#durable) this.#durable = applied;
    let confirmed: bigint | undefined;
    let count = 0;
    for (const { needs, position } of this.#waiting) {
      if (needs > this.#durable) break;
      confirmed = position;
      count++;
    }
    if (count > 0) this.#waiting = this.#waiting.slice(count);
    if (confirmed !== undefined) this.#confirm(confirmed);
  }
}
