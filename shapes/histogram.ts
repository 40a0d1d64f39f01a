/** A distribution in fixed memory, however often it is added to and whether or not anyone reads it. */

/** Upper bounds of durations, in seconds: from a small answer to a long poll. */
export const DURATION_BOUNDS: readonly number[] = [
  0.001,
  0.0025,
  0.005,
  0.01,
  0.025,
  0.05,
  0.1,
  0.25,
  0.5,
  1,
  2.5,
  5,
  10,
  30,
  60,
];

export class Histogram {
  /** Ascending; each belongs to its bucket. */
  readonly bounds: readonly number[];
  /** Values in each bucket, those beyond the last bound at the end. */
  readonly counts: Float64Array;
  sum = 0;

  constructor(bounds: readonly number[] = DURATION_BOUNDS) {
    this.bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    let low = 0, high = this.bounds.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (value <= this.bounds[middle]) high = middle;
      else low = middle + 1;
    }
    this.counts[low]++;
    this.sum += value;
  }
}
