/** What `/v1/status` and `/admin/status` answer, read leniently: a server of another version may say less or more. */

import { MODE_REASONS, type ModeKind, type ModeReason } from "../../shapes/mode.ts";

/** The fields as in docs/http-api.md; what is missing or not understood is undefined. */
export interface StatusView {
  readonly mode: ModeKind;
  readonly sinceMs: number | undefined;
  readonly reason: string | undefined;
  readonly isReplicating: boolean | undefined;
  readonly connection: string | undefined;
  readonly shape: string | undefined;
  readonly version: string | undefined;
  readonly replication: Fields;
  readonly slot: Fields | undefined;
  readonly shapes: Fields | undefined;
  /** Undefined without the secret, where one is wanted. */
  readonly process: ProcessView | undefined;
}

/** What the admin API adds. */
export interface ProcessView {
  readonly requests: Fields;
  readonly storage: Fields;
  readonly memory: Fields;
  readonly publication: Fields | undefined;
}

export type Fields = Readonly<Record<string, unknown>>;

/** Undefined if it is not a status at all, such as what another server answers. */
export function parseStatusDocument(document: unknown): StatusView | undefined {
  const fields = fieldsIn(document);
  const mode = (["live", "fallback", "starting"] as const).find((kind) => kind === fields?.status);
  if (!fields || !mode) return undefined;
  const sinceMs = Date.parse(textIn(fields, "since") ?? "");
  return {
    mode,
    sinceMs: Number.isNaN(sinceMs) ? undefined : sinceMs,
    reason: textIn(fields, "reason"),
    isReplicating: typeof fields.replication_available === "boolean"
      ? fields.replication_available
      : undefined,
    connection: textIn(fields, "connection"),
    shape: textIn(fields, "shape"),
    version: textIn(fields, "version"),
    replication: fieldsIn(fields.replication) ?? {},
    slot: fieldsIn(fields.slot),
    shapes: fieldsIn(fields.shapes),
    process: processIn(fieldsIn(fields.process)),
  };
}

/** Undefined if it is none, such as what another server answers. */
function processIn(fields: Fields | undefined): ProcessView | undefined {
  const requests = fieldsIn(fields?.requests);
  return fields && requests && {
    requests,
    storage: fieldsIn(fields.storage) ?? {},
    memory: fieldsIn(fields.memory) ?? {},
    publication: fieldsIn(fields.publication),
  };
}

/** The public status, and as its `process` what the admin API says: null where it says nothing. */
export function joinDocuments(status: unknown, process: unknown): unknown {
  const fields = fieldsIn(status);
  const more = fieldsIn(process);
  return fields && { ...fields, process: processIn(more) ? more : null };
}

function fieldsIn(value: unknown): Fields | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? { ...value }
    : undefined;
}

export function textIn(fields: Fields, name: string): string | undefined {
  const value = fields[name];
  return typeof value === "string" ? value : undefined;
}

export function numberIn(fields: Fields, name: string): number | undefined {
  const value = fields[name];
  return typeof value === "number" ? value : undefined;
}

/** What a reason means, and what to do; undefined for one that only a newer server has. */
export function explainReason(reason: string): string | undefined {
  const known = MODE_REASONS.find((candidate) => candidate === reason);
  return known && EXPLANATIONS[known];
}

/** docs/fallback.md tells more. */
const EXPLANATIONS: Readonly<Record<ModeReason, string>> = {
  starting: "it is being set up",
  postgres_unreachable: "no connection to Postgres: look at the network, and whether it runs",
  primary_unreachable: "the primary is down, and the replica is queried",
  authentication_failed: "Postgres refuses the user or password of DATABASE_URL",
  database_missing: "the database that DATABASE_URL names is not there",
  rejected: "Postgres refuses the connection: pg_hba.conf, TLS, or too many of them",
  privilege: "the role lacks a right: `electric-ts doctor` names it and what grants it",
  read_only: "DATABASE_URL leads to a standby: it must be the primary",
  server_version: "Postgres is older than 14",
  wal_level: "wal_level is not logical: set it and restart Postgres",
  lock_held: "another instance follows the slot; this one takes over when it ends",
  no_walsender: "raise max_wal_senders, or stop replicas that are not used",
  no_slot: "raise max_replication_slots, or drop slots that are not used",
  slot_in_use: "somebody else reads our slot: look at pg_stat_replication",
  slot_lost: "the slot was dropped or invalidated; a new one is being made",
  slot_mismatch: "the slot's name is taken: choose another ELECTRIC_REPLICATION_STREAM_ID",
  slot_creation_waits: "a new slot waits for transactions that are open: end them",
  publication_missing: "the publication is gone",
  publication_incomplete: "the publication leaves out some kind of change",
  stream_stalled: "the stream gives no answer",
  stream_late: "changes come long after they were made: one huge transaction, or catching up",
  stream_interrupted: "the stream ended a moment ago and is being taken up",
  wal_budget: "the slot was given up for its WAL; a new one is being made",
  history_changed: "another database answers than before: a failover, or a backup",
  query_mode: "as configured: --change-source=query",
  sleeping: "as configured: nothing was asked for, so nothing is connected",
  stopping: "the process is about to end",
};
