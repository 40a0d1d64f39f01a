/**
 * The transactions that the stream brought last. A transaction is in the stream from when its commit
 * is on disk, but visible to others only a little later (much later where a synchronous standby is
 * waited for): a snapshot taken right then has not seen it, though it lies behind us.
 */

const KEPT = 1024;

export class RecentTransactions {
  readonly #xids = new Float64Array(KEPT);
  readonly #lsns = new BigUint64Array(KEPT);
  #count = 0;

  add({ xid, commitLsn }: { readonly xid: number; readonly commitLsn: bigint }): void {
    const at = this.#count++ % KEPT;
    this.#xids[at] = xid;
    this.#lsns[at] = commitLsn;
  }

  some(test: (transaction: { readonly xid: number; readonly commitLsn: bigint }) => boolean) {
    for (let at = Math.min(this.#count, KEPT) - 1; at >= 0; at--) {
      if (test({ xid: this.#xids[at], commitLsn: this.#lsns[at] })) return true;
    }
    return false;
  }

  /**
   * Position of the earliest that passes the test; undefined if none does, -1 if there may have been
   * earlier ones that are no longer known.
   */
  earliest(
    test: (transaction: { readonly xid: number; readonly commitLsn: bigint }) => boolean,
  ): bigint | undefined {
    const first = Math.max(0, this.#count - KEPT);
    for (let number = first; number < this.#count; number++) {
      const at = number % KEPT;
      const commitLsn = this.#lsns[at];
      if (!test({ xid: this.#xids[at], commitLsn })) continue;
      return number === first && first > 0 ? -1n : commitLsn;
    }
    return undefined;
  }

  get last(): { readonly xid: number; readonly commitLsn: bigint } | undefined {
    if (this.#count === 0) return undefined;
    const at = (this.#count - 1) % KEPT;
    return { xid: this.#xids[at], commitLsn: this.#lsns[at] };
  }

  clear(): void {
    this.#count = 0;
  }
}
