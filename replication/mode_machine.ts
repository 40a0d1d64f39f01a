/**
 * What mode the service is in, from what the stream and the query connection go through. Pure, and
 * complete: each mode has an outcome for each event.
 */

import type { Mode, ModeKind, ModeReason } from "../shapes/mode.ts";
import type { SetupStep } from "./setup_plan.ts";

/** Texts are for people and hold no secrets. */
export type ModeEvent =
  /** The stream is being set up: a step begins. */
  | {
    readonly kind: "settingUp";
    readonly step: SetupStep;
    readonly detail: string;
    /** What it turned out to be that ended the last stream. */
    readonly cause?: ModeReason;
  }
  /** Another instance holds the lock. */
  | { readonly kind: "waitingForLock"; readonly detail: string }
  | { readonly kind: "streaming" }
  /** The stream runs, but what it brings is not the present state. */
  | {
    readonly kind: "troubled";
    readonly reason: "stream_stalled" | "stream_late";
    readonly detail: string;
  }
  /** The stream ended, or its set-up failed. */
  | { readonly kind: "interrupted"; readonly reason: ModeReason; readonly detail: string }
  /** A query was answered; by the replica that stands in for a primary that is down. */
  | { readonly kind: "reachable"; readonly isByReplica?: boolean }
  | { readonly kind: "unreachable"; readonly reason: ModeReason }
  /** Nothing is connected on purpose. */
  | { readonly kind: "halted"; readonly reason: "sleeping" | "stopping"; readonly detail: string };

export type ModeEventKind = ModeEvent["kind"];

/**
 * Where an event leads. `queried`: to fallback if queries are answered, else to starting.
 * `patient`: as `queried`, but only after a set-up that runs has had the time that it needs when
 * nothing is wrong.
 */
type Outcome = ModeKind | "queried" | "patient";

const OUTCOMES: Readonly<Record<ModeKind, Readonly<Record<ModeEventKind, Outcome>>>> = {
  starting: {
    settingUp: "patient",
    waitingForLock: "patient",
    streaming: "live",
    troubled: "starting",
    interrupted: "queried",
    reachable: "patient",
    unreachable: "starting",
    halted: "starting",
  },
  live: {
    settingUp: "queried",
    waitingForLock: "queried",
    streaming: "live",
    troubled: "queried",
    interrupted: "queried",
    reachable: "live",
    // Queries have a connection of their own: the stream may go on without it.
    unreachable: "live",
    halted: "starting",
  },
  fallback: {
    settingUp: "queried",
    waitingForLock: "queried",
    streaming: "live",
    troubled: "queried",
    interrupted: "queried",
    reachable: "fallback",
    unreachable: "starting",
    halted: "starting",
  },
};

/** How long a set-up in which nothing is wrong may take before it counts as slow. */
const SETUP_PATIENCE_MS = 2000;
/** How long another instance may hold the lock, as it does for a moment when it is replaced. */
const LOCK_PATIENCE_MS = 10_000;

/** The mode, and the facts that it was decided from. */
export interface ModeState {
  readonly mode: Mode;
  /** Whether the last query was answered; false before the first. */
  readonly isReachable: boolean;
  /** The last query was answered by a replica, because the primary did not. */
  readonly isOnReplica: boolean;
  /** Why queries are not answered; undefined when they are, and before the first. */
  readonly unreachable: ModeReason | undefined;
  readonly phase: "settingUp" | "creatingSlot" | "waiting" | "interrupted" | "streaming" | "halted";
  readonly phaseSinceMs: number;
  /** Since when there has been no stream. */
  readonly outageSinceMs: number;
  /** What ended the stream or its set-up, since the stream ran last. */
  readonly failure: ModeReason | undefined;
}

/** At the start of the process. `detail` is for a client that comes before anything is known. */
export function createModeState(detail: string, nowMs: number): ModeState {
  return {
    mode: { kind: "starting", reason: "starting", detail, sinceMs: nowMs },
    isReachable: false,
    isOnReplica: false,
    unreachable: undefined,
    phase: "settingUp",
    phaseSinceMs: nowMs,
    outageSinceMs: nowMs,
    failure: undefined,
  };
}

/** The state after an event. Time counts too: `reachable` has to come again and again. */
export function nextModeState(before: ModeState, event: ModeEvent, nowMs: number): ModeState {
  const state = noteEvent(before, event, nowMs);
  const kind = kindAfter(OUTCOMES[state.mode.kind][event.kind], state, nowMs);
  const mode: Mode = {
    kind,
    reason: kind === "live" ? undefined : reasonOf(kind, state, nowMs),
    detail: kind === "live" ? "" : "detail" in event ? event.detail : state.mode.detail,
    sinceMs: kind === state.mode.kind ? state.mode.sinceMs : nowMs,
  };
  return { ...state, mode };
}

/** The facts after an event; the mode is still the old one. */
function noteEvent(state: ModeState, event: ModeEvent, nowMs: number): ModeState {
  switch (event.kind) {
    case "reachable":
      return {
        ...state,
        isReachable: true,
        isOnReplica: event.isByReplica === true,
        unreachable: undefined,
      };
    case "unreachable":
      return { ...state, isReachable: false, isOnReplica: false, unreachable: event.reason };
    case "streaming":
      return { ...inPhase(state, "streaming", nowMs), failure: undefined };
    case "troubled":
      return failing({ ...state, outageSinceMs: nowMs }, event.reason);
    case "interrupted":
      return failing(inPhase(state, "interrupted", nowMs), event.reason);
    case "settingUp": {
      const phase = event.step === "createSlot" ? "creatingSlot" : "settingUp";
      return failing(inPhase(state, phase, nowMs), event.cause);
    }
    case "waitingForLock":
      return inPhase(state, "waiting", nowMs);
    case "halted":
      return {
        ...inPhase(state, "halted", nowMs),
        isReachable: false,
        unreachable: event.reason,
        // Waking up is a start like the first.
        failure: undefined,
      };
  }
}

/** The WAL budget stays the cause until a new slot streams, whatever fails on the way. */
function failing(state: ModeState, failure: ModeReason | undefined): ModeState {
  if (failure === undefined || state.failure === "wal_budget") return state;
  return { ...state, failure };
}

function inPhase(state: ModeState, phase: ModeState["phase"], nowMs: number): ModeState {
  const isOver = state.phase === "streaming" || state.phase === "halted";
  return {
    ...state,
    phase,
    phaseSinceMs: phase === state.phase ? state.phaseSinceMs : nowMs,
    outageSinceMs: isOver ? nowMs : state.outageSinceMs,
  };
}

function kindAfter(outcome: Outcome, state: ModeState, nowMs: number): ModeKind {
  switch (outcome) {
    case "queried":
      return state.isReachable ? "fallback" : "starting";
    case "patient":
      return state.isReachable && isOverdue(state, nowMs) ? "fallback" : "starting";
    default:
      return outcome;
  }
}

/** Whether the set-up has failed before, or takes longer than it does when nothing is wrong. */
function isOverdue(state: ModeState, nowMs: number): boolean {
  if (state.phase === "halted") return false;
  if (state.failure !== undefined) return true;
  if (state.phase === "waiting") return nowMs - state.phaseSinceMs >= LOCK_PATIENCE_MS;
  return nowMs - state.outageSinceMs >= SETUP_PATIENCE_MS;
}

function reasonOf(kind: ModeKind, state: ModeState, nowMs: number): ModeReason {
  if (kind === "starting" && state.unreachable !== undefined) return state.unreachable;
  if (kind === "fallback" && state.isOnReplica) return "primary_unreachable";
  if (state.phase === "waiting") return "lock_held";
  if (state.failure === "wal_budget") return state.failure;
  const isSlotSlow = state.phase === "creatingSlot" &&
    nowMs - state.phaseSinceMs >= SETUP_PATIENCE_MS;
  if (isSlotSlow) return "slot_creation_waits";
  if (state.failure === undefined) return "starting";
  // Queries are answered, so it is replication's own connection that does not come about.
  const isContradicted = state.isReachable && state.failure === "postgres_unreachable";
  return isContradicted ? "stream_interrupted" : state.failure;
}
