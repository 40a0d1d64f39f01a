/** What one change of a transaction is to one shape. */

import type { ItemEncoder } from "./log/item_encoder.ts";
import type { Row } from "./row.ts";

export interface Operation {
  readonly kind: "insert" | "update" | "delete";
  readonly encoder: ItemEncoder;
  /** The row before; undefined for inserts, and for updates whose old row is not known. */
  readonly old: Row | undefined;
  /** The row after; undefined for deletes. */
  readonly row: Row | undefined;
  /** Position in the transaction. */
  readonly op: number;
}

/** Joins what the stream brings to a log that is being reconciled. */
export interface Joint {
  /** What is to be written in place of the operation, so that it makes sense where the log is now. */
  fit(operation: Operation): readonly Operation[];
}
