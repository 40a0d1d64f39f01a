/**
 * From a fresh replication connection to a stream that can start, as a table of steps: what to send,
 * and what the answer leads to. Pure; setup.ts runs it.
 */

import { createHash } from "node:crypto";
import type { TextRow } from "./connection.ts";
import { displaySettingsSql } from "./connection.ts";
import { parseLsn } from "./lsn.ts";
import { ConnectionError } from "./postgres_error.ts";

export type SetupStep =
  | "identifySystem"
  | "readServer"
  | "lock"
  | "findPublication"
  | "findSlot"
  | "dropSlot"
  | "createPublication"
  | "createSlot"
  | "setDisplay"
  | "ready";

export interface SetupNames {
  readonly publication: string;
  readonly slot: string;
}

/** Why a stream can't go on where the one before it ended. */
export type GapCause =
  /** There is none: the first start, or somebody dropped it. */
  | "slotMissing"
  /** The server has removed WAL that it needed, or invalidated it. */
  | "slotLost"
  /** It holds back more WAL than it may. */
  | "walBudget"
  /** The publication was dropped, and changes since then were left out. */
  | "publicationMissing"
  /** It left out some kinds of change for a while. */
  | "publicationIncomplete";

export interface SetupState {
  readonly step: SetupStep;
  readonly names: SetupNames;
  /** The publication belongs to somebody else: use it, never make it. */
  readonly isManual: boolean;
  /** Why the slot must be made anew even if it looks well. */
  readonly stale: GapCause | undefined;
  /** Why a new slot is needed; undefined when none is. */
  readonly gap: GapCause | undefined;
  readonly systemId: string;
  readonly timeline: number;
  readonly database: string;
  readonly serverVersion: number;
  /** Process id of the server's end of the connection. */
  readonly backendPid: number;
  readonly walSenderTimeoutMs: number;
  readonly isPublicationMissing: boolean;
  readonly isSlotNew: boolean;
  readonly confirmedLsn: bigint;
}

const ID_GRAMMAR = /^[a-z0-9_]{1,40}$/;
const SERVER_VERSION_MIN = 140_000;
/** From here on stored generated columns can be published. */
const SERVER_VERSION_GENERATED = 180_000;

/**
 * Names of the publication and the slot of a stream. The id must suit a slot: lower-case letters,
 * digits, underscores. Throws `RangeError`.
 */
export function setupNames(streamId: string): SetupNames {
  if (!ID_GRAMMAR.test(streamId)) {
    throw new RangeError(
      `Replication stream id "${streamId}" must be 1 to 40 lower-case letters, digits or underscores`,
    );
  }
  return { publication: `electric_publication_${streamId}`, slot: `electric_slot_${streamId}` };
}

export function startSetup(
  options: { streamId: string; isManual: boolean; stale?: GapCause },
): SetupState {
  return {
    step: "identifySystem",
    names: setupNames(options.streamId),
    isManual: options.isManual,
    stale: options.stale,
    gap: undefined,
    systemId: "",
    timeline: 0,
    database: "",
    serverVersion: 0,
    backendPid: 0,
    walSenderTimeoutMs: 0,
    isPublicationMissing: false,
    isSlotNew: false,
    confirmedLsn: 0n,
  };
}

/** What to send in a state; undefined when ready. */
export function setupQuery(state: SetupState): string | undefined {
  return STEPS[state.step].query(state);
}

/**
 * The state after the answer. A lock that is not free leaves the state as it is: try again. Throws
 * `ConnectionError` when only a person can go on.
 */
export function nextStep(state: SetupState, rows: readonly TextRow[]): SetupState {
  return STEPS[state.step].next(state, rows);
}

interface Step {
  readonly query: (state: SetupState) => string | undefined;
  readonly next: (state: SetupState, rows: readonly TextRow[]) => SetupState;
}

const STEPS: Readonly<Record<SetupStep, Step>> = {
  identifySystem: { query: () => "IDENTIFY_SYSTEM", next: afterIdentifySystem },
  readServer: {
    query: () =>
      "SELECT current_setting('server_version_num') AS version, " +
      "current_setting('wal_level') AS wal_level, pg_catalog.pg_backend_pid() AS pid, " +
      "(SELECT setting FROM pg_catalog.pg_settings WHERE name = 'wal_sender_timeout') AS timeout",
    next: afterReadServer,
  },
  lock: {
    query: (state) =>
      `SELECT pg_catalog.pg_try_advisory_lock(${
        lockKey(state.names.slot, state.database)
      }) AS locked`,
    next: (state, rows) => rows[0]?.locked === "t" ? { ...state, step: "findPublication" } : state,
  },
  findPublication: {
    query: ({ names }) =>
      "SELECT pubinsert AND pubupdate AND pubdelete AND pubtruncate AS is_complete " +
      `FROM pg_catalog.pg_publication WHERE pubname = ${quoteLiteral(names.publication)}`,
    next: afterFindPublication,
  },
  findSlot: {
    // Through jsonb, because the columns that tell of lost slots differ between versions.
    query: ({ names }) =>
      "SELECT plugin, database, temporary, confirmed_flush_lsn::text AS confirmed, " +
      "to_jsonb(s)->>'wal_status' AS wal_status, " +
      "to_jsonb(s)->>'invalidation_reason' AS invalidation, " +
      "to_jsonb(s)->>'conflicting' AS conflicting " +
      `FROM pg_catalog.pg_replication_slots s WHERE slot_name = ${quoteLiteral(names.slot)}`,
    next: afterFindSlot,
  },
  dropSlot: {
    query: ({ names }) =>
      `SELECT pg_catalog.pg_drop_replication_slot(${quoteLiteral(names.slot)}) AS dropped`,
    next: (state) => afterSlotGone(state),
  },
  createPublication: {
    query: createPublicationSql,
    next: (state) => ({ ...state, step: "createSlot" }),
  },
  createSlot: {
    query: ({ names }) =>
      `CREATE_REPLICATION_SLOT ${quoteIdentifier(names.slot)} LOGICAL pgoutput NOEXPORT_SNAPSHOT`,
    next: (state, rows) => ({
      ...state,
      step: "setDisplay",
      isSlotNew: true,
      confirmedLsn: parseLsn(textIn(rows, "consistent_point")),
    }),
  },
  setDisplay: {
    query: () => displaySettingsSql("session"),
    next: (state) => ({ ...state, step: "ready" }),
  },
  ready: { query: () => undefined, next: (state) => state },
};

function afterIdentifySystem(state: SetupState, rows: readonly TextRow[]): SetupState {
  return {
    ...state,
    step: "readServer",
    systemId: textIn(rows, "systemid"),
    timeline: Number(textIn(rows, "timeline")),
    database: textIn(rows, "dbname"),
  };
}

function afterReadServer(state: SetupState, rows: readonly TextRow[]): SetupState {
  const serverVersion = Number(textIn(rows, "version"));
  const walLevel = textIn(rows, "wal_level");
  if (serverVersion < SERVER_VERSION_MIN) {
    throw new ConnectionError("serverTooOld", `Server version ${serverVersion} is not supported`);
  }
  if (walLevel !== "logical") {
    throw new ConnectionError("walLevel", `Server has wal_level "${walLevel}", not "logical"`);
  }
  return {
    ...state,
    step: "lock",
    serverVersion,
    backendPid: Number(textIn(rows, "pid")),
    walSenderTimeoutMs: Number(textIn(rows, "timeout")),
  };
}

function afterFindPublication(state: SetupState, rows: readonly TextRow[]): SetupState {
  const { publication } = state.names;
  const isPublicationMissing = rows.length === 0;
  if (isPublicationMissing && state.isManual) {
    throw new ConnectionError(
      "publicationMissing",
      `Publication "${publication}" does not exist, and manual table publishing is on. ` +
        `Create it: CREATE PUBLICATION ${quoteIdentifier(publication)}`,
    );
  }
  if (!isPublicationMissing && rows[0].is_complete !== "t") {
    throw new ConnectionError(
      "publicationIncomplete",
      `Publication "${publication}" does not publish all of insert, update, delete and truncate`,
    );
  }
  return { ...state, step: "findSlot", isPublicationMissing };
}

/**
 * A slot older than its publication is useless: the server decodes with the catalog of the time
 * of each change, in which the publication is not there. It goes before the publication is created, so
 * that a crash in between can't leave the two together.
 */
function afterFindSlot(state: SetupState, rows: readonly TextRow[]): SetupState {
  if (rows.length === 0) return afterSlotGone({ ...state, gap: "slotMissing" });
  const [slot] = rows;
  if (slot.plugin !== "pgoutput" || slot.database !== state.database) {
    throw new ConnectionError(
      "slotMismatch",
      `Slot "${state.names.slot}" belongs to plugin "${slot.plugin}" in database "${slot.database}"`,
    );
  }
  const isLost = slot.wal_status === "lost" || slot.invalidation !== null ||
    slot.conflicting === "true" || slot.confirmed === null;
  const gap = isLost
    ? "slotLost"
    : state.stale ?? (state.isPublicationMissing ? "publicationMissing" : undefined);
  if (gap !== undefined) return { ...state, step: "dropSlot", gap };
  return { ...state, step: "setDisplay", confirmedLsn: parseLsn(textIn(rows, "confirmed")) };
}

function afterSlotGone(state: SetupState): SetupState {
  return { ...state, step: state.isPublicationMissing ? "createPublication" : "createSlot" };
}

function createPublicationSql({ names, serverVersion }: SetupState): string {
  const generated = serverVersion >= SERVER_VERSION_GENERATED
    ? ", publish_generated_columns = stored"
    : "";
  return `CREATE PUBLICATION ${quoteIdentifier(names.publication)} ` +
    `WITH (publish = 'insert, update, delete, truncate'${generated})`;
}

/** The command that starts the stream from where the slot stands. */
export function startReplicationCommand({ publication, slot }: SetupNames): string {
  const list = quoteLiteral(quoteIdentifier(publication));
  return `START_REPLICATION SLOT ${quoteIdentifier(slot)} LOGICAL 0/0 ` +
    `(proto_version '1', publication_names ${list})`;
}

/** Key of the advisory lock that keeps two instances from one slot: 64 bits, signed. */
export function lockKey(slot: string, database: string): bigint {
  return createHash("sha256").update(`electric-ts\0${database}\0${slot}`).digest().readBigInt64BE();
}

export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** For text without control over `standard_conforming_strings`: backslashes are never let in. */
export function quoteLiteral(text: string): string {
  if (text.includes("\\")) throw new RangeError(`Cannot quote "${text}": it holds a backslash`);
  return `'${text.replaceAll("'", "''")}'`;
}

function textIn(rows: readonly TextRow[], column: string): string {
  const text = rows[0]?.[column];
  if (typeof text === "string") return text;
  throw new ConnectionError("protocol", `Server gave no "${column}" where one was expected`);
}
