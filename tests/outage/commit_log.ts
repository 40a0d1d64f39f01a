/** Which writes were committed when, to tell how old the oldest one is that a client has not seen. */

interface Commit {
  readonly marker: number;
  readonly clockMs: number;
}

export class CommitLog {
  readonly #commits: Commit[] = [];

  /** A write's marker, greater than any before, and when its commit was acknowledged. */
  add(marker: number, clockMs: number): void {
    const last = this.last;
    if (marker <= last) throw new RangeError(`Marker ${marker} does not follow ${last}`);
    this.#commits.push({ marker, clockMs });
  }

  /** The greatest marker; 0 before the first. */
  get last(): number {
    return this.#commits.at(-1)?.marker ?? 0;
  }

  get count(): number {
    return this.#commits.length;
  }

  /** Takes out commits after the marker: a failover undid them. Returns how many. */
  undoAfter(marker: number): number {
    const from = this.#firstAfter(marker);
    return this.#commits.splice(from).length;
  }

  /** Age of the oldest commit after the last one seen; 0 if all were seen. */
  age(seenMarker: number, clockMs: number): number {
    const oldest = this.#commits[this.#firstAfter(seenMarker)];
    return oldest === undefined ? 0 : Math.max(0, clockMs - oldest.clockMs);
  }

  #firstAfter(marker: number): number {
    let low = 0, high = this.#commits.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#commits[middle].marker > marker) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
