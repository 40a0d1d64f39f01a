/** Folds kept between reconciles, so that only what is new of a log is read: the latest used. */

import type { Shape } from "../shape.ts";
import type { Fold } from "./fold.ts";

const CACHE_BYTES_MAX = 48 * 1024 * 1024;

export class FoldCache {
  /** Oldest first. */
  readonly #folds = new Map<Shape, Fold>();
  #bytes = 0;

  /** Whoever takes a fold changes it: it comes back by `keep`, or not at all. */
  take(shape: Shape): Fold | undefined {
    const fold = this.#folds.get(shape);
    if (fold) this.#forget(shape, fold);
    return fold;
  }

  keep(shape: Shape, fold: Fold): void {
    if (shape.isGone) return;
    this.#folds.set(shape, fold);
    this.#bytes += fold.table.bytes;
    for (const [oldest, kept] of this.#folds) {
      if (this.#bytes <= CACHE_BYTES_MAX && !oldest.isGone) return;
      this.#forget(oldest, kept);
    }
  }

  #forget(shape: Shape, fold: Fold): void {
    this.#folds.delete(shape);
    this.#bytes -= fold.table.bytes;
  }
}
