/**
 * Lets the event loop go round: what has come meanwhile gets its turn first.
 *
 * Newer runtimes look for what has come over the network when nothing else is left to do, and else at
 * every 61st turn only (tokio's `event_interval`): beside a stream that always has more, each answer of
 * the database and each request then waits for 0.2 to 0.6 s. So now and then all who want another turn
 * wait until a byte has been through the network, for which there is nothing else left to do.
 */

import { setImmediate } from "node:timers";
import { Loopback } from "./loopback.ts";

/** A look takes 0.3 ms. */
const LOOK_EVERY_MS = 10;
/** One that does not end must not hold up what it is for: then there are no more. */
const LOOK_MAX_MS = 500;

/** What goes through the network, and rejects once it has been disposed of. */
interface Path extends Disposable {
  roundTrip(): Promise<void>;
}

let path: Path | undefined;
let looking: Promise<void> | undefined;
let isJoined = false;
let lastLookMs = 0;

export function nextTurn(): Promise<void> {
  if (looking) {
    isJoined = true;
    return looking;
  }
  if (!path || performance.now() - lastLookMs < LOOK_EVERY_MS) {
    return new Promise((resolve) => setImmediate(resolve));
  }
  return looking = look(path);
}

async function look(through: Path): Promise<void> {
  const timer = setTimeout(() => through[Symbol.dispose](), LOOK_MAX_MS);
  try {
    do {
      isJoined = false;
      await through.roundTrip();
      // Who has joined had things to do until now.
    } while (isJoined);
  } catch {
    if (path === through) path = undefined;
  } finally {
    clearTimeout(timer);
    lastLookMs = performance.now();
    looking = undefined;
  }
}

/** From now on the network is looked after; disposing of what it resolves to ends that. Never rejects. */
export async function lookAfterNetwork(
  opening: Promise<Path> = Loopback.open(),
): Promise<Disposable> {
  const opened = path = await opening.catch(() => undefined);
  return {
    [Symbol.dispose]() {
      if (path === opened) path = undefined;
      opened?.[Symbol.dispose]();
    },
  };
}
