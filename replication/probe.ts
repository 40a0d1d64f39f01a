/**
 * One look at the server from outside the stream: where its WAL is, what became of our slot and
 * publication, and what the backend that streams to us is doing.
 */

import { parseLsn } from "./lsn.ts";
import { ConnectionError } from "./postgres_error.ts";
import type { SetupNames } from "./setup_plan.ts";
import { quoteLiteral } from "./sql_text.ts";

export interface Probe {
  /** `server_version_num`. */
  readonly serverVersion: number;
  readonly database: string;
  readonly isInRecovery: boolean;
  /** Undefined when the role may not ask for it. */
  readonly systemId: string | undefined;
  /** Undefined on a replica, which may be behind its primary's. */
  readonly timeline: number | undefined;
  /** Written and safe on disk: what a walsender may send. On a replica what it has replayed. */
  readonly lsn: bigint;
  /** `max_slot_wal_keep_size`; undefined without a limit. */
  readonly keepBytes: number | undefined;
  /** Undefined when there is none. */
  readonly publication: PublicationProbe | undefined;
  /** Undefined when there is none. */
  readonly slot: SlotProbe | undefined;
  /** The backend asked about; undefined when it is gone. */
  readonly walsender: WalsenderProbe | undefined;
}

export interface PublicationProbe {
  /** Whether it publishes all of insert, update, delete and truncate. */
  readonly isComplete: boolean;
}

export interface SlotProbe {
  readonly isActive: boolean;
  readonly activePid: number | undefined;
  readonly walStatus: string | undefined;
  /** Undefined when it was invalidated. */
  readonly restartLsn: bigint | undefined;
  readonly confirmedLsn: bigint | undefined;
  /** `safe_wal_size`; undefined without a limit. */
  readonly safeBytes: number | undefined;
  readonly isInvalidated: boolean;
}

export interface WalsenderProbe {
  readonly pid: number;
  /** `pg_stat_activity.wait_event`; undefined while it works. */
  readonly waitEvent: string | undefined;
  /**
   * All that changes while it decodes: how far it has read, and what it has spilled to disk.
   * Undefined for roles that are not told (`pg_read_all_stats`).
   */
  readonly progress: string | undefined;
}

export interface ProbeQuestion {
  readonly names: SetupNames;
  /** Of the backend that streams to us. */
  readonly walsenderPid: number | undefined;
  /** Whether to ask for the system's id, which providers may forbid. */
  readonly hasControlData: boolean;
}

/** SQL for one row with one column, `probe`. Through jsonb where versions differ. */
export function probeSql({ names, walsenderPid, hasControlData }: ProbeQuestion): string {
  return `
SELECT pg_catalog.json_build_object(
  'serverVersion', pg_catalog.current_setting('server_version_num')::int,
  'database', pg_catalog.current_database(),
  'isInRecovery', here.is_in_recovery,
  'systemId', ${
    hasControlData ? "(SELECT system_identifier::text FROM pg_catalog.pg_control_system())" : "NULL"
  },
  'walFile', CASE WHEN NOT here.is_in_recovery
    THEN pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()) END,
  'lsn', CASE WHEN here.is_in_recovery THEN pg_catalog.pg_last_wal_replay_lsn()
    ELSE pg_catalog.pg_current_wal_flush_lsn() END,
  'keepMegabytes', (SELECT setting::int8 FROM pg_catalog.pg_settings
    WHERE name = 'max_slot_wal_keep_size'),
  'publication', (SELECT pg_catalog.json_build_object(
      'isComplete', p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate)
    FROM pg_catalog.pg_publication p WHERE p.pubname = ${quoteLiteral(names.publication)}),
  'slot', (SELECT pg_catalog.to_jsonb(s) FROM pg_catalog.pg_replication_slots s
    WHERE slot_name = ${quoteLiteral(names.slot)}),
  'walsender', (SELECT pg_catalog.json_build_object('pid', a.pid, 'waitEvent', a.wait_event,
      'progress', (SELECT pg_catalog.concat(r.sent_lsn, ' ', (
          SELECT pg_catalog.to_jsonb(s) FROM pg_catalog.pg_stat_replication_slots s
          WHERE s.slot_name = ${quoteLiteral(names.slot)}))
        FROM pg_catalog.pg_stat_replication r WHERE r.pid = a.pid AND r.sent_lsn IS NOT NULL))
    FROM pg_catalog.pg_stat_activity a
    WHERE a.pid = ${walsenderPid ?? "NULL::int"})
)::text AS probe
FROM (SELECT pg_catalog.pg_is_in_recovery() AS is_in_recovery) here`;
}

const MEGABYTE = 2 ** 20;

/** Reads what `probeSql` gives. Throws `ConnectionError` when it is something else. */
export function parseProbe(text: unknown): Probe {
  const root = objectOf(typeof text === "string" ? JSON.parse(text) : undefined);
  const serverVersion = numberOf(root?.serverVersion), lsn = lsnOf(root?.lsn);
  if (root === undefined || serverVersion === undefined || lsn === undefined) {
    throw new ConnectionError("protocol", "Server gave no answer about itself");
  }
  const keepMegabytes = numberOf(root.keepMegabytes) ?? -1;
  const walFile = textOf(root.walFile);
  return {
    serverVersion,
    lsn,
    database: textOf(root.database) ?? "",
    isInRecovery: root.isInRecovery === true,
    systemId: textOf(root.systemId),
    // The file's name begins with the timeline, as eight hexadecimal digits.
    timeline: walFile === undefined ? undefined : parseInt(walFile.slice(0, 8), 16),
    keepBytes: keepMegabytes < 0 ? undefined : keepMegabytes * MEGABYTE,
    publication: publicationOf(objectOf(root.publication)),
    slot: slotOf(objectOf(root.slot)),
    walsender: walsenderOf(objectOf(root.walsender)),
  };
}

type Fields = Readonly<Record<string, unknown>>;

function publicationOf(publication: Fields | undefined): PublicationProbe | undefined {
  return publication && { isComplete: publication.isComplete === true };
}

function slotOf(slot: Fields | undefined): SlotProbe | undefined {
  if (slot === undefined) return undefined;
  const walStatus = textOf(slot.wal_status);
  return {
    isActive: slot.active === true,
    activePid: numberOf(slot.active_pid),
    walStatus,
    restartLsn: lsnOf(slot.restart_lsn),
    confirmedLsn: lsnOf(slot.confirmed_flush_lsn),
    safeBytes: numberOf(slot.safe_wal_size),
    isInvalidated: walStatus === "lost" || slot.conflicting === true ||
      textOf(slot.invalidation_reason) !== undefined,
  };
}

function walsenderOf(walsender: Fields | undefined): WalsenderProbe | undefined {
  const pid = numberOf(walsender?.pid);
  if (walsender === undefined || pid === undefined) return undefined;
  const { waitEvent, progress } = walsender;
  return { pid, waitEvent: textOf(waitEvent), progress: textOf(progress) };
}

function objectOf(value: unknown): Fields | undefined {
  return typeof value === "object" && value !== null ? { ...value } : undefined;
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function numberOf(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}

function lsnOf(value: unknown): bigint | undefined {
  return typeof value === "string" ? parseLsn(value) : undefined;
}
