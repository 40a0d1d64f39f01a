/** Lets the event loop go round: what has come meanwhile gets its turn first. */

import { setImmediate } from "node:timers";

export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
