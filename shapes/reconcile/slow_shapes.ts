/** Shapes whose last reconcile took longer than it may: their clients get staler and staler. */

import type { Shape } from "../shape.ts";

export class SlowShapes {
  /** How many times in a row. */
  readonly #times = new Map<Shape, number>();

  has(shape: Shape): boolean {
    return this.#times.has(shape);
  }

  /** It was too slow once more; answers how many times in a row it has been by now. */
  note(shape: Shape): number {
    for (const known of this.#times.keys()) if (known.isGone) this.#times.delete(known);
    const times = (this.#times.get(shape) ?? 0) + 1;
    this.#times.set(shape, times);
    return times;
  }

  /** It was fast enough. */
  forget(shape: Shape): void {
    this.#times.delete(shape);
  }

  count(test: (shape: Shape) => boolean): number {
    let count = 0;
    for (const shape of this.#times.keys()) if (test(shape)) count++;
    return count;
  }
}
