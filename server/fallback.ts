import type { ServedShape, ShapeService } from "../shapes/service.ts";

/**
 * Whether an answer, given now, has to say that it may be behind: the service does not follow the
 * stream, or the shape itself lacks changes. Asked when an answer is made, never remembered.
 */
export function isInFallback({ mode }: ShapeService, shape?: ServedShape): boolean {
  return mode.kind !== "live" || (shape !== undefined && shape.isBehind);
}
