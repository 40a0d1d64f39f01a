/**
 * What has happened since the process started, as plain numbers that only grow: added to where it
 * happens, read when somebody asks for metrics. Nothing here knows what they are called outside.
 */

import { Histogram } from "./histogram.ts";

/** Why shapes end: a fixed list that operators can count by. */
export const END_KINDS = [
  "deleted",
  "evicted",
  "truncated",
  /** Its table is gone, was replaced, or has other columns. */
  "table_changed",
  "filter_failed",
  "snapshot_failed",
  "reconcile_failed",
  /** Changes were missed, and there is nothing to compare with. */
  "changes_missed",
  /** A reader has what a crash of ours has lost. */
  "lost_in_crash",
  "database_changed",
] as const;

export type EndKind = typeof END_KINDS[number];

export class EndCounters {
  readonly #counts: Record<EndKind, number> = {
    deleted: 0,
    evicted: 0,
    truncated: 0,
    table_changed: 0,
    filter_failed: 0,
    snapshot_failed: 0,
    reconcile_failed: 0,
    changes_missed: 0,
    lost_in_crash: 0,
    database_changed: 0,
  };

  add(kind: EndKind): void {
    this.#counts[kind]++;
  }

  of(kind: EndKind): number {
    return this.#counts[kind];
  }
}

/** Of the replication stream; what a restart of it brings again counts once. */
export class IntakeCounters {
  transactions = 0;
  changes = 0;
}

/** First rows of new shapes. */
export class SnapshotCounters {
  failures = 0;
  /** Of those that were completed. */
  rows = 0;
  readonly seconds: Histogram = new Histogram();
}

/** Comparisons of shapes with the database. */
export class ReconcileCounters {
  queries = 0;
  failures = 0;
  /** Of the failures, those that took longer than they may. */
  timeouts = 0;
  /** That the database sent. */
  readRows = 0;
  /** That differed, and went into logs. */
  appendedRows = 0;
  readonly seconds: Histogram = new Histogram();
}

/** Of the store: each commit makes a part of what was queued durable. */
export class CommitCounters {
  /** Of keys and values. */
  bytes = 0;
  /** Attempts that failed, also those that a later one made good. */
  failures = 0;
  readonly seconds: Histogram = new Histogram();
}
