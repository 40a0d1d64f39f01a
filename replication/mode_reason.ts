/** From what went wrong with Postgres to the reason that operators are told. */

import type { ModeReason } from "../shapes/mode.ts";
import type { PostgresErrorCode } from "./postgres_error.ts";

export function modeReasonOf(code: PostgresErrorCode): ModeReason {
  return REASONS[code];
}

const REASONS: Readonly<Record<PostgresErrorCode, ModeReason>> = {
  authenticationFailed: "authentication_failed",
  closed: "postgres_unreachable",
  databaseMissing: "database_missing",
  diskFull: "stream_interrupted",
  historyChanged: "history_changed",
  hostRejected: "rejected",
  hostUnknown: "postgres_unreachable",
  privilegeMissing: "privilege",
  protocol: "stream_interrupted",
  publicationIncomplete: "publication_incomplete",
  publicationMissing: "publication_missing",
  readOnly: "read_only",
  refused: "postgres_unreachable",
  serverTooOld: "server_version",
  shutdown: "postgres_unreachable",
  slotInUse: "slot_in_use",
  slotLost: "slot_lost",
  slotMismatch: "slot_mismatch",
  slotsExhausted: "no_slot",
  sslUnavailable: "rejected",
  stalled: "stream_stalled",
  startingUp: "postgres_unreachable",
  timeout: "postgres_unreachable",
  tlsFailed: "rejected",
  tooManyConnections: "rejected",
  unknown: "stream_interrupted",
  walBudget: "wal_budget",
  walLevel: "wal_level",
  walSendersExhausted: "no_walsender",
};
