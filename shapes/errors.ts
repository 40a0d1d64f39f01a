/** The errors that the domain raises for its callers to answer with. */

/** The parameters of a request that a message can be about. */
export type ErrorField =
  | "table"
  | "offset"
  | "handle"
  | "live"
  | "live_sse"
  | "where"
  | "params"
  | "columns"
  | "queryable_columns"
  | "key_columns"
  | "replica"
  | "log"
  | "experimental_compaction"
  | "subset";

/** The request asks for something that cannot be: answered 400 with the messages by field. */
export class InvalidRequestError extends Error {
  override readonly name = "InvalidRequestError";
  readonly errors: Readonly<Partial<Record<ErrorField, readonly string[]>>>;

  constructor(errors: Readonly<Partial<Record<ErrorField, readonly string[]>>>) {
    super(JSON.stringify(errors));
    this.errors = errors;
  }
}

/** Cannot be served now, but may be soon: answered 503 with retry-after. */
export class UnavailableError extends Error {
  override readonly name: string = "UnavailableError";
  readonly retryAfterSeconds: number;
  /** Whether clients are told that the cause is a known one (`electric-internal-known-error`). */
  readonly isKnown: boolean;

  constructor(
    message: string,
    options: { retryAfterSeconds: number; isKnown?: boolean; cause?: unknown },
  ) {
    super(message, { cause: options.cause });
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.isKnown = options.isKnown ?? false;
  }
}

/** The database took longer for a shape than it may. */
export class TooSlowError extends UnavailableError {
  override readonly name = "TooSlowError";
}

/** The shape is gone (rotated, deleted, evicted): answered 409. */
export class ShapeGoneError extends Error {
  override readonly name = "ShapeGoneError";

  constructor(handle: string) {
    super(`Shape "${handle}" is gone`);
  }
}

/** Marks a place that cannot be reached when every case of a union is handled. */
export function unreachable(value: never): never {
  throw new TypeError(`Unexpected value: ${JSON.stringify(value)}`);
}
