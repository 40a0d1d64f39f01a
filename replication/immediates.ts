/**
 * Deno before 2.9 may run an immediate that has been cleared: when what cleared it is the end of an
 * operation of the same turn of the event loop. The driver clears its timer for the next write when it
 * has written, or when its socket has closed, and what then runs writes nothing, or on no socket: an
 * error that nobody catches, which ends the process.
 */

const SINCE = [2, 9];

/** Makes cleared immediates stay cleared; the driver takes what it finds as globals. */
export function keepImmediatesCleared(): void {
  const [major, minor] = Deno.version.deno.split(".").map(Number);
  if (major > SINCE[0] || (major === SINCE[0] && minor >= SINCE[1])) return;
  const { setImmediate: set, clearImmediate: clear } = globalThis;
  const waiting = new WeakSet<object>();
  const guarded = (callback: (...args: unknown[]) => void, ...args: unknown[]) => {
    const immediate = set(() => {
      if (waiting.delete(immediate)) callback(...args);
    });
    waiting.add(immediate);
    return immediate;
  };
  const clearForGood = (immediate: ReturnType<typeof set> | undefined) => {
    if (immediate) waiting.delete(immediate);
    clear(immediate);
  };
  Object.assign(globalThis, { setImmediate: guarded, clearImmediate: clearForGood });
}
