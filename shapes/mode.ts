/** How the service follows the database, and why it does not when it does not. */

/**
 * `live`: the replication stream runs. `fallback`: Postgres answers queries but the stream does not
 * run; shapes are kept fresh by reconciling. `starting`: Postgres can't be asked at all, or has not
 * been reached yet; shapes are served as they are stored.
 */
export type ModeKind = "starting" | "live" | "fallback";

/** Why the service is not live: a fixed list that operators can alert on. */
export const MODE_REASONS = [
  "starting",
  "postgres_unreachable",
  "primary_unreachable",
  "authentication_failed",
  "database_missing",
  "rejected",
  "privilege",
  "read_only",
  "server_version",
  "wal_level",
  "lock_held",
  "no_walsender",
  "no_slot",
  "slot_in_use",
  "slot_lost",
  "slot_mismatch",
  "slot_creation_waits",
  "publication_missing",
  "publication_incomplete",
  "stream_stalled",
  "stream_late",
  "stream_interrupted",
  "wal_budget",
  "history_changed",
  "query_mode",
  "sleeping",
  "stopping",
] as const;

export type ModeReason = typeof MODE_REASONS[number];

export interface Mode {
  readonly kind: ModeKind;
  /** Undefined exactly when live. */
  readonly reason: ModeReason | undefined;
  /** The reason in words, for logs and for the body of a 503; empty when live. Holds no secrets. */
  readonly detail: string;
  /** Since when `kind` has been what it is, by the wall clock. */
  readonly sinceMs: number;
}
