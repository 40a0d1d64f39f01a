/** Counts answers by route and status, in fixed memory: read when somebody asks for metrics. */

import { Histogram } from "../shapes/histogram.ts";
import { RecentRate } from "../shapes/recent_rate.ts";
import type { Route } from "./router.ts";

/** A live request waits for news, so its durations say nothing of others'. */
export type MeteredRoute = Route["kind"] | "shapeLive";

export class RequestMeter {
  /** Seconds until the answer was there, by route and the first digit of the status. */
  readonly #durations = new Map<MeteredRoute, (Histogram | undefined)[]>();
  readonly #shapeStatuses = new Map<number, number>();
  /** Answers of the shape route. */
  readonly shapeRate: RecentRate = new RecentRate();
  /** Answers that said to be from the fallback. */
  fallbackAnswers = 0;

  /** Of a request that took from `startMs` to `nowMs`, by the monotonic clock. */
  note(route: MeteredRoute, status: number, startMs: number, nowMs: number): void {
    let classes = this.#durations.get(route);
    if (!classes) this.#durations.set(route, classes = []);
    const statusClass = Math.floor(status / 100);
    let histogram = classes[statusClass];
    if (!histogram) classes[statusClass] = histogram = new Histogram();
    histogram.observe((nowMs - startMs) / 1000);
    if (route !== "shape" && route !== "shapeLive") return;
    this.shapeRate.add(1, nowMs);
    this.#shapeStatuses.set(status, (this.#shapeStatuses.get(status) ?? 0) + 1);
  }

  /** One for each pair that was ever met. */
  *durations(): Generator<{ route: MeteredRoute; statusClass: number; histogram: Histogram }> {
    for (const [route, classes] of this.#durations) {
      for (const [statusClass, histogram] of classes.entries()) {
        if (histogram) yield { route, statusClass, histogram };
      }
    }
  }

  /** Answers of the shape route by status. */
  get shapeStatuses(): ReadonlyMap<number, number> {
    return this.#shapeStatuses;
  }
}
