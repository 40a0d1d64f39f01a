/**
 * Whether the stream is what it seems to be: what our side knows of it, beside what the server says.
 * Pure; server_watch.ts looks and acts.
 */

import { formatLsn } from "./lsn.ts";
import { ConnectionError } from "./postgres_error.ts";
import type { Probe, WalsenderProbe } from "./probe.ts";
import type { StreamProgress } from "./stream.ts";

/** One look at the server while a stream ran, from before the question until after the answer. */
export interface Sight {
  readonly nowMs: number;
  readonly probe: Probe;
  readonly stream: StreamProgress;
  /** The history that the stream belongs to. */
  readonly systemId: string;
  readonly timeline: number;
  readonly backendPid: number;
  /** The server's `wal_sender_timeout`; 0 when it is off. */
  readonly walSenderTimeoutMs: number;
}

/** What is remembered of the looks at one stream. */
export interface Suspicion {
  /** At the last look the stream was silent, and the server had no reason for that. */
  readonly isSuspect: boolean;
  /** A position that it had not reached when it should have; and since when. */
  readonly behind: { readonly lsn: bigint; readonly sinceMs: number } | undefined;
  /** What a silent walsender that is at work has done; and since when that has been all. */
  readonly still: { readonly work: string; readonly sinceMs: number } | undefined;
}

export interface Verdict {
  readonly suspicion: Suspicion;
  /** Why the stream must be given up; undefined when it need not be. */
  readonly failure: ConnectionError | undefined;
}

/** We ask a silent server for a reply every 2 s: after this several went unanswered. */
const SILENCE_MAX_MS = 6000;
/** Silence before which nothing is suspected. */
const SILENCE_SUSPECT_MS = 3000;
/** How long a walsender that has nothing else to do may take to move. */
const BEHIND_MAX_MS = 6000;

/**
 * A walsender at work that neither sends nor reads nor spills anything for so long is none. Postgres
 * sees to it that it answers after half of `wal_sender_timeout` at the latest, whatever it decodes.
 */
export const STILL_MAX_MS = 180_000;

export const UNSUSPECTED: Suspicion = { isSuspect: false, behind: undefined, still: undefined };

/**
 * Judges a stream. `beatLsn` is the end of a record that is known to be flushed whole: other
 * positions of the server may lie inside of a record, where no walsender gets to. `stillMaxMs` is
 * another in tests.
 */
export function judgeStream(
  before: Suspicion,
  sight: Sight,
  beatLsn: bigint | undefined,
  stillMaxMs = STILL_MAX_MS,
): Verdict {
  // Queries reach a replica, which knows nothing of a slot on its primary.
  const isElsewhere = sight.probe.isInRecovery && sight.probe.slot === undefined;
  if (isElsewhere) return { suspicion: UNSUSPECTED, failure: undefined };
  const suspicion = {
    isSuspect: isSuspect(sight),
    behind: behindAfter(before, sight, beatLsn),
    still: stillAfter(before, sight),
  };
  const failure = failHistory(sight) ?? failPublication(sight) ?? failSlot(sight) ??
    failSilence(before, suspicion, sight) ?? failMovement(suspicion, sight) ??
    failStill(suspicion, sight, stillMaxMs);
  return { suspicion, failure };
}

/** Queries may reach another server than the stream: after a failover it is the one that counts. */
function failHistory({ probe, systemId, timeline }: Sight): ConnectionError | undefined {
  const now = { systemId: probe.systemId ?? systemId, timeline: probe.timeline ?? timeline };
  if (now.systemId === systemId && now.timeline === timeline) return undefined;
  return new ConnectionError(
    "historyChanged",
    `Server is on timeline ${now.timeline} of system ${now.systemId}, ` +
      `the stream on timeline ${timeline} of system ${systemId}`,
  );
}

function failPublication({ probe }: Sight): ConnectionError | undefined {
  const { publication } = probe;
  if (publication === undefined) {
    return new ConnectionError("publicationMissing", "The publication was dropped");
  }
  if (publication.isComplete) return undefined;
  return new ConnectionError(
    "publicationIncomplete",
    "The publication no longer publishes all of insert, update, delete and truncate",
  );
}

function failSlot({ probe: { slot }, backendPid }: Sight): ConnectionError | undefined {
  if (slot === undefined) return new ConnectionError("slotLost", "The slot was dropped");
  if (slot.isInvalidated) return new ConnectionError("slotLost", "The slot was invalidated");
  if (slot.activePid === undefined || slot.activePid === backendPid) return undefined;
  return new ConnectionError("slotInUse", `The slot is active for PID ${slot.activePid}`);
}

/** The first look only raises a suspicion: an answer may be on its way. */
function failSilence(
  before: Suspicion,
  { isSuspect }: Suspicion,
  { nowMs, stream, probe: { walsender } }: Sight,
): ConnectionError | undefined {
  const silentMs = nowMs - stream.lastReceivedMs;
  if (!before.isSuspect || !isSuspect || silentMs < SILENCE_MAX_MS) return undefined;
  const what = walsender === undefined ? "is gone" : `waits in ${walsender.waitEvent}`;
  return new ConnectionError(
    "stalled",
    `Nothing came for ${Math.round(silentMs / 1000)} s, though the walsender ${what}`,
  );
}

function isSuspect({ nowMs, stream, probe: { walsender } }: Sight): boolean {
  if (stream.isPaused || nowMs - stream.lastReceivedMs < SILENCE_SUSPECT_MS) return false;
  return walsender === undefined || isWaiting(walsender);
}

/**
 * Whether a walsender waits, for new WAL or for its socket: then it answers at once when it is
 * asked. One that decodes a large transaction is silent for minutes, and works: given up, it would
 * start over for ever.
 */
function isWaiting({ waitEvent }: WalsenderProbe): boolean {
  return waitEvent !== undefined && waitEvent.startsWith("WalSender");
}

function behindAfter(
  before: Suspicion,
  { nowMs, stream, probe }: Sight,
  beatLsn: bigint | undefined,
): Suspicion["behind"] {
  const isIdle = probe.walsender !== undefined && isWaiting(probe.walsender);
  if (stream.isPaused || !isIdle) return undefined;
  if (before.behind !== undefined && stream.receivedLsn < before.behind.lsn) return before.behind;
  if (beatLsn === undefined || stream.receivedLsn >= beatLsn) return undefined;
  return { lsn: beatLsn, sinceMs: nowMs };
}

function failMovement({ behind }: Suspicion, sight: Sight): ConnectionError | undefined {
  if (behind === undefined || sight.nowMs - behind.sinceMs < BEHIND_MAX_MS) return undefined;
  return new ConnectionError(
    "stalled",
    `The walsender stays at ${formatLsn(sight.stream.receivedLsn)} and has not reached ` +
      formatLsn(behind.lsn),
  );
}

function stillAfter(before: Suspicion, { nowMs, stream, probe }: Sight): Suspicion["still"] {
  const { walsender } = probe;
  const isSilent = !stream.isPaused && nowMs - stream.lastReceivedMs >= SILENCE_SUSPECT_MS;
  if (!isSilent || walsender?.progress === undefined) return undefined;
  const work = `${walsender.waitEvent} ${walsender.progress}`;
  return before.still?.work === work ? before.still : { work, sinceMs: nowMs };
}

function failStill(
  { still }: Suspicion,
  { nowMs, backendPid, walSenderTimeoutMs }: Sight,
  stillMaxMs: number,
): ConnectionError | undefined {
  const limitMs = Math.max(stillMaxMs, 2 * walSenderTimeoutMs);
  if (still === undefined || nowMs - still.sinceMs < limitMs) return undefined;
  const seconds = Math.round((nowMs - still.sinceMs) / 1000);
  return new ConnectionError(
    "stalled",
    `The walsender, process ${backendPid}, has done nothing for ${seconds} s: it may be stopped`,
  );
}

/** What became of queries since the last that was answered. */
export interface Silence {
  readonly failures: number;
  readonly lastAnswerMs: number;
}

/** Whether queries have not been answered for long. */
export function isLongSilence({ failures, lastAnswerMs }: Silence, nowMs: number): boolean {
  // One failure may be our own doing, when the process was stopped for a while.
  return failures >= 2 && nowMs - lastAnswerMs >= SILENCE_MAX_MS;
}

/** Judges a stream while queries are not answered either. */
export function judgeUnseen(
  stream: StreamProgress,
  silence: Silence,
  nowMs: number,
): ConnectionError | undefined {
  const silentMs = nowMs - stream.lastReceivedMs;
  if (stream.isPaused || silentMs < SILENCE_MAX_MS || !isLongSilence(silence, nowMs)) {
    return undefined;
  }
  const seconds = Math.round(silentMs / 1000);
  return new ConnectionError(
    "stalled",
    `Nothing came for ${seconds} s, and queries are not answered`,
  );
}

/** Of a slot that is being made: since when the server has not been making it. */
export interface SlotSuspicion {
  readonly backendPid: number;
  readonly sinceMs: number;
}

/**
 * Whether the server has ended the making of a slot, or waits for the next command, while we wait
 * for its answer. That takes as long as other transactions do, so that time alone tells nothing.
 */
export function suspectSlot(
  before: SlotSuspicion | undefined,
  { walsender }: Probe,
  backendPid: number,
  nowMs: number,
): SlotSuspicion | undefined {
  const isBusy = walsender !== undefined && walsender.waitEvent !== "ClientRead";
  if (isBusy) return undefined;
  return before?.backendPid === backendPid ? before : { backendPid, sinceMs: nowMs };
}

/** An answer that is on its way gets as long as an answer to a stream does. */
export function judgeSlot(
  suspicion: SlotSuspicion | undefined,
  nowMs: number,
): ConnectionError | undefined {
  if (suspicion === undefined || nowMs - suspicion.sinceMs < SILENCE_SUSPECT_MS) return undefined;
  return new ConnectionError("stalled", "The server makes no slot any more, and gave no answer");
}

/**
 * Whether to write something of our own into the WAL: on an idle server, and when the stream has not
 * moved, so that there is a position which it has to reach.
 */
export function isBeatDue(before: Sight | undefined, { probe, stream }: Sight): boolean {
  if (probe.isInRecovery || before === undefined) return false;
  return probe.lsn === before.probe.lsn || stream.receivedLsn === before.stream.receivedLsn;
}
