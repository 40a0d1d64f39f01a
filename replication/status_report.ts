/** What the status endpoint tells about Postgres, from what was seen last. Pure. */

import type {
  ConnectionStatus,
  PublicationStatus,
  ReplicationStatus,
  SlotStatus,
} from "../shapes/status.ts";
import type { ModeState } from "./mode_machine.ts";
import type { Probe } from "./probe.ts";
import type { SetupNames } from "./setup_plan.ts";
import type { StreamProgress } from "./stream.ts";
import { budgetBytes, retainedBytes } from "./wal_budget.ts";

export interface HealthView {
  readonly state: ModeState;
  /** The last look; undefined before the first. */
  readonly probe: Probe | undefined;
  /** Undefined when no stream runs. */
  readonly stream: StreamProgress | undefined;
  readonly names: SetupNames;
  /** Undefined without a limit of ours. */
  readonly maxRetainedBytes: number | undefined;
  /** When the stream was last seen to have all that the server had. */
  readonly caughtUpMs: number | undefined;
  /** When all that the server had was last seen to be durable here. */
  readonly confirmedUpMs: number | undefined;
  readonly nowMs: number;
}

export function connectionStatus({ state, probe }: HealthView): ConnectionStatus {
  return {
    state: connectionState(state),
    serverVersion: probe?.serverVersion,
    systemId: probe?.systemId,
    timeline: probe?.timeline,
  };
}

function connectionState(state: ModeState): ConnectionStatus["state"] {
  if (state.mode.kind === "live") return "up";
  if (state.mode.reason === "sleeping") return "sleeping";
  if (state.phase === "waiting") return "waiting";
  if (state.isReachable) return "up";
  return state.unreachable === undefined && state.failure === undefined ? "starting" : "down";
}

export function replicationStatus(view: HealthView): ReplicationStatus {
  const { state, probe, stream, caughtUpMs, confirmedUpMs, nowMs } = view;
  const receivedLsn = stream?.receivedLsn;
  const lagBytes = lagOf(receivedLsn, probe?.lsn);
  const confirmedLsn = stream?.confirmedLsn ?? probe?.slot?.confirmedLsn;
  const confirmedLagBytes = lagOf(confirmedLsn, probe?.lsn);
  return {
    isAvailable: state.mode.kind === "live",
    receivedLsn,
    serverLsn: probe?.lsn,
    confirmedLsn,
    lagBytes,
    lagMs: lagSince(lagBytes, caughtUpMs, nowMs),
    confirmedLagBytes,
    confirmedLagMs: lagSince(confirmedLagBytes, confirmedUpMs, nowMs),
    lastProgressMs: stream === undefined ? undefined : nowMs - stream.lastReceivedMs,
    slot: slotStatus(view),
    publication: publicationStatus(view),
  };
}

function lagOf(received: bigint | undefined, server: bigint | undefined): number | undefined {
  if (received === undefined || server === undefined) return undefined;
  return received >= server ? 0 : Number(server - received);
}

function lagSince(
  bytes: number | undefined,
  sinceMs: number | undefined,
  nowMs: number,
): number | undefined {
  if (bytes === 0) return 0;
  return sinceMs === undefined ? undefined : nowMs - sinceMs;
}

function slotStatus({ probe, names, maxRetainedBytes }: HealthView): SlotStatus | undefined {
  if (probe === undefined) return undefined;
  const { slot } = probe;
  return {
    name: names.slot,
    state: slotState(probe),
    walStatus: slot?.walStatus,
    retainedBytes: slot && retainedBytes(probe),
    safeBytes: slot?.safeBytes,
    budgetBytes: budgetBytes(probe, maxRetainedBytes),
  };
}

function publicationStatus({ probe, names }: HealthView): PublicationStatus | undefined {
  if (probe === undefined) return undefined;
  return { name: names.publication, state: publicationState(probe) };
}

function publicationState({ publication }: Probe): PublicationStatus["state"] {
  if (publication === undefined) return "missing";
  return publication.isComplete ? "complete" : "incomplete";
}

function slotState({ slot }: Probe): SlotStatus["state"] {
  if (slot === undefined) return "missing";
  if (slot.isInvalidated) return "lost";
  return slot.isActive ? "active" : "inactive";
}
