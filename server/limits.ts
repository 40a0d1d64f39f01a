/** Limits of the HTTP side, with their units and reasons. */

/** Body of a POST (WIRE.md 2.8). */
export const REQUEST_BODY_BYTES_MAX = 8_000_000;

/**
 * Answers up to this size are sent whole, with a content-length; larger ones in pieces of this
 * size, each made only when the client has taken the one before, so slow clients pin no memory.
 */
export const BODY_PIECE_BYTES = 64 * 1024;

/**
 * Of an event stream's first page, so that it goes out in one write with the headers (seen up to
 * 12 KB), all of which TCP sends at once.
 */
export const FIRST_EVENTS_BYTES_MAX = 4096;

/** Bodies in pieces that are sent at a time, but for those whose clients are slow. */
export const SEND_SLOTS = 32;
/** A client that has not taken all it was sent after so long is slow. */
export const SEND_PATIENCE_MS = 200;

/** A client that takes no piece of its answer for so long loses it, and gives its permit back. */
export const STALLED_CLIENT_MS = 60_000;

/** Wake-ups are shared by the waiters of a shape: bodies kept for that, per shape. */
export const SHARED_VIEWS_MAX = 8;

/** How long a shape nobody waits for is still watched: long polls come back within moments. */
export const IDLE_WATCH_MS = 1_000;

/** Spellings of a shape's definition that are remembered as its own. */
export const KNOWN_SPELLINGS_MAX = 32;

/** Lengths of a request id that is echoed; others are replaced. */
export const REQUEST_ID_BYTES_MIN = 20;
export const REQUEST_ID_BYTES_MAX = 200;

/** How often a request that named no handle looks again when its shape vanished under it. */
export const RESOLVE_ATTEMPTS_MAX = 3;

/** Deadlines are met this much late at most: requests share timers. */
export const DEADLINE_GRAIN_MS = 25;

/** In fallback a request that does not wait for changes waits so long for a look at the database. */
export const FRESHEN_MAX_MS = 2_000;

/** How often open event streams are asked whether their headers still say what is so. */
export const EVENTS_LOOK_MS = 250;
/** When they don't, they end within this time, so that not all clients come back at once. */
export const EVENTS_LEAVE_SPREAD_MS = 3_000;
/** No event stream ends by itself before: official clients give up on them after three of a second. */
export const EVENTS_AGE_MIN_MS = 2_000;
