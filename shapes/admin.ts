/** What an operator may know of each shape. */

import type { Offset } from "./offset.ts";
import type { ServedShape } from "./service.ts";
import type { TableColumn, TableName } from "./table.ts";

/**
 * `live`: the stream keeps it fresh. `snapshotting`: its first rows are being read. `reconciling`: it
 * is being compared with the database. `behind`: only comparing it keeps it fresh.
 */
export type ShapeState = "live" | "snapshotting" | "reconciling" | "behind";

export interface ShapeSummary {
  readonly shape: ServedShape;
  readonly table: TableName;
  /** The condition as it was understood, values in place. */
  readonly where: string | undefined;
  /** Names, where the request named them. */
  readonly columns: readonly string[] | undefined;
  readonly declaredKey: readonly string[] | undefined;
  readonly replica: "default" | "full";
  readonly log: "full" | "changes_only";
  readonly state: ShapeState;
  /** Nothing keeps it fresh: comparing it took longer than it may the last time. */
  readonly isSlow: boolean;
  readonly snapshotBytes: number;
  /** Exact until a chunk has been closed: one counts as what it holds at least. */
  readonly logBytes: number;
  readonly isLogBytesExact: boolean;
  /** Appended to the log since the process started. */
  readonly appendedChanges: number;
  readonly appendedBytes: number;
  /** Undefined in a storage that nothing serves. */
  readonly lastUsedMs: number | undefined;
}

export interface ShapeDetail extends ShapeSummary {
  readonly tableOid: number;
  readonly allColumns: readonly TableColumn[];
  readonly key: readonly string[];
  /** What its log ends with, visible or not. */
  readonly appended: Offset;
  readonly isFollowed: boolean;
  readonly isFrozen: boolean;
  /** Where readers know the log to reach; undefined unless it was ever reconciled. */
  readonly reconciledTo: Offset | undefined;
  /** WAL position of the snapshot or of the last reconcile. */
  readonly visibleTo: bigint | undefined;
  /** Bytes in each chunk of the snapshot. */
  readonly snapshotChunks: readonly number[];
  /** Where the closed chunks of the log end. */
  readonly logChunkEnds: readonly Offset[];
  readonly openChunkBytes: number;
}

export interface ShapeAdmin {
  list(): readonly ShapeSummary[];
  describe(handle: string): ShapeDetail | undefined;
}
