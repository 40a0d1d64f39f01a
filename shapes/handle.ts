/** Handles name one log for ever: `<hash of the definition>-<microseconds of its making>`. */

/** Makes handles that are never equal, not even for one definition in one microsecond. */
export function createHandleMaker(nowMs: () => number): (definition: string) => string {
  let lastUs = 0;
  return (definition) => {
    lastUs = Math.max(lastUs + 1, Math.floor(nowMs() * 1000));
    return `${hashText(definition)}-${lastUs}`;
  };
}

const HASH_MASK = 0x7ff_ffff;

/** FNV-1a, folded to the 27 bits that handles have always had. */
function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return (hash ^ hash >>> 27) & HASH_MASK;
}
