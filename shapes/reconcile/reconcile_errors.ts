/** Why a shape could not be reconciled, where that is nobody's fault. */

import type { SourceOrigin } from "../ports.ts";

/** The source shows an earlier moment than the log does already: nothing goes back in time. */
export class LaggingSourceError extends Error {
  override readonly name: string = "LaggingSourceError";
}

/** Transactions that the stream has brought can't be seen yet, as their commits are not over. */
export class AheadError extends LaggingSourceError {
  override readonly name = "AheadError";
}

/** The source is of another history than the logs. */
export class ForeignHistoryError extends Error {
  override readonly name = "ForeignHistoryError";
  readonly origin: SourceOrigin;
  /** As the source counts. */
  readonly walPosition: bigint;

  constructor(origin: SourceOrigin, walPosition: bigint) {
    super(`The database is of another history: timeline ${origin.timeline}`);
    this.origin = origin;
    this.walPosition = walPosition;
  }
}

/** The stream lost changes of the shape while it was being reconciled: it must be again. */
export class LostMeanwhileError extends Error {
  override readonly name = "LostMeanwhileError";
}
