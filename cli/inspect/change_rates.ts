/** How often shapes change now, from two looks at what they have appended. Pure. */

import type { AdminShape, AdminShapes } from "../../server/admin.ts";

export interface ListedShape extends AdminShape {
  /** Null in a storage that nothing serves. */
  readonly changes_per_second: number | null;
}

export interface ListedShapes {
  readonly uptime_seconds: number;
  readonly shapes: readonly ListedShape[];
}

/** The second look, with the rates since the first; a shape that is new in it began at 0. */
export function addRates(before: AdminShapes, after: AdminShapes): ListedShapes {
  const earlier = new Map(before.shapes.map((shape) => [shape.handle, shape.appended_changes]));
  const seconds = after.uptime_seconds - before.uptime_seconds;
  // A process that started in between counts from 0.
  const hasRestarted = seconds <= 0;
  const span = hasRestarted ? Math.max(0.001, after.uptime_seconds) : seconds;
  const rate = ({ handle, appended_changes: now }: AdminShape) =>
    (now - (hasRestarted ? 0 : earlier.get(handle) ?? 0)) / span;
  const shapes = after.shapes.map((shape) => ({
    ...shape,
    changes_per_second: Math.round(rate(shape) * 100) / 100,
  }));
  return { ...after, shapes };
}

export function withoutRates({ uptime_seconds, shapes }: AdminShapes): ListedShapes {
  return {
    uptime_seconds,
    shapes: shapes.map((shape) => ({ ...shape, changes_per_second: null })),
  };
}
