/**
 * The vocabulary of change: what a source of changes tells the domain, whichever source it is.
 * Every value is Postgres' own text (see `Row`).
 */

import type { Row } from "./row.ts";

/** A column as the replication stream announces it. */
export interface RelationColumn {
  readonly name: string;
  readonly typeOid: number;
  readonly typeMod: number;
  /** Whether it belongs to the replica identity. */
  readonly isIdentity: boolean;
}

/** A table as the replication stream announces it. A new announcement makes a new object. */
export interface Relation {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly identity: "default" | "nothing" | "full" | "index";
  readonly columns: readonly RelationColumn[];
}

/**
 * One operation of a transaction. Rows hold the columns in the relation's order. `old` is there in
 * full when the replica identity is FULL; with `isKeyOnly` it holds the identity's columns and NULL
 * elsewhere; without `old` the identity did not change. Unchanged TOAST values of `row` have been
 * filled from a full `old`; otherwise they stay `UNCHANGED_LENGTH`.
 */
export type Change =
  | { readonly kind: "insert"; readonly relation: Relation; readonly row: Row }
  | {
    readonly kind: "update";
    readonly relation: Relation;
    readonly row: Row;
    readonly old: Row | undefined;
    readonly isKeyOnly: boolean;
  }
  | {
    readonly kind: "delete";
    readonly relation: Relation;
    readonly old: Row;
    readonly isKeyOnly: boolean;
  }
  | { readonly kind: "truncate"; readonly relations: readonly Relation[] };

/** What the stream delivers, in order. Transactions come whole, in commit order, never interleaved. */
export type StreamEvent =
  | {
    readonly kind: "begin";
    /** LSN of the commit record; with the op number the position of every change. */
    readonly commitLsn: bigint;
    /** 32 bits, as the stream sends it. */
    readonly xid: number;
  }
  | { readonly kind: "relation"; readonly relation: Relation }
  | { readonly kind: "change"; readonly change: Change }
  | {
    readonly kind: "commit";
    /** Position after the commit record: what may be acknowledged once all of it is durable. */
    readonly endLsn: bigint;
  }
  /** The server's WAL end, outside of any transaction: all published changes before it were sent. */
  | { readonly kind: "progress"; readonly walEnd: bigint };
