/** What operators and clients are told about the service as a whole. */

import type { Mode } from "./mode.ts";

/** The replication slot, as last looked at. */
export interface SlotStatus {
  readonly name: string;
  /** `lost`: the server has removed WAL that it needed, or invalidated it. */
  readonly state: "active" | "inactive" | "missing" | "lost" | "unknown";
  /** `pg_replication_slots.wal_status`. */
  readonly walStatus: string | undefined;
  /** WAL that the server keeps because of it. */
  readonly retainedBytes: number | undefined;
  /** `safe_wal_size`: what may still be written before it is in danger; undefined without a limit. */
  readonly safeBytes: number | undefined;
  /** The least of `max_slot_wal_keep_size` and `--max-retained-wal`; undefined without a limit. */
  readonly budgetBytes: number | undefined;
}

/** The publication that the stream follows, as last looked at. */
export interface PublicationStatus {
  readonly name: string;
  /** `incomplete`: it leaves out some kind of change. */
  readonly state: "complete" | "incomplete" | "missing";
}

export interface ReplicationStatus {
  /** Whether the stream runs. */
  readonly isAvailable: boolean;
  /** Received from the stream, and the server's WAL position when last asked. */
  readonly receivedLsn: bigint | undefined;
  readonly serverLsn: bigint | undefined;
  /** Confirmed to the server as durable here. */
  readonly confirmedLsn: bigint | undefined;
  readonly lagBytes: number | undefined;
  /** Time since the stream last had all that the server had; 0 while it has. */
  readonly lagMs: number | undefined;
  /** The same for what is durable here and confirmed. */
  readonly confirmedLagBytes: number | undefined;
  readonly confirmedLagMs: number | undefined;
  /** Time since the stream last brought anything, a keepalive too. */
  readonly lastProgressMs: number | undefined;
  readonly slot: SlotStatus | undefined;
  readonly publication: PublicationStatus | undefined;
}

export interface ConnectionStatus {
  /** `waiting`: another instance holds the lock; `sleeping`: closed for want of requests. */
  readonly state: "up" | "starting" | "waiting" | "sleeping" | "down";
  /** `server_version_num`, from when the database was first reached: kept while it is away. */
  readonly serverVersion: number | undefined;
  readonly systemId: string | undefined;
  readonly timeline: number | undefined;
}

/** Shapes by what they are doing. */
export interface ShapeCounts {
  readonly total: number;
  /** Followed by the stream, nothing missing. */
  readonly live: number;
  /** Their first rows are being read. */
  readonly snapshotting: number;
  /** Being compared with the database right now. */
  readonly reconciling: number;
  /** Known to lack changes until they have been reconciled. */
  readonly behind: number;
  /** Nothing keeps them fresh: comparing them took longer than it may the last time. */
  readonly slow: number;
}

export interface StatusReport {
  readonly mode: Mode;
  readonly connection: ConnectionStatus;
  readonly replication: ReplicationStatus;
  readonly shapes: ShapeCounts;
}
