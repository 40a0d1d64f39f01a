/** One case from start to end. */

import type { OutageCase, Timing } from "./cases.ts";
import type { CaseFigures } from "./figures.ts";
import { compareAll, type FinalState, isEqual } from "./final_state.ts";
import { LoopLag } from "./loop_lag.ts";
import { summarizeRequests } from "./requests.ts";
import { WHOLE } from "./schema.ts";
import { comesTrue, openWorld, type World } from "./world.ts";

export interface RunOptions extends Timing {
  /** Observed for so long at least from the cause's beginning, and from its end. */
  readonly windowMs: number;
  readonly windowAfterMs: number;
  /** How long recovery, and then the last changes, are waited for. */
  readonly patienceMs: number;
  readonly newClientIntervalMs: number;
}

/** Moments, by `performance.now()`. */
interface Moments {
  readonly startMs: number;
  readonly endMs: number;
  /** All live clients had seen a write made after the end. */
  readonly freshMs: number | undefined;
  readonly liveMs: number | undefined;
}

export async function runCase(outage: OutageCase, options: RunOptions): Promise<CaseFigures> {
  const { newClientIntervalMs } = options;
  await using world = await openWorld({ newClientIntervalMs, ...outage.world });
  using lag = new LoopLag();
  for (const one of [...world.clients, world.probe]) one.startMeasuring();
  const startMs = performance.now();
  const notes = await outage.cause(world, options) ?? [];
  const moments = await watchRecovery(world, startMs, options);
  // What comes is work that may well make it late, and nothing is measured any more.
  const lateness = lag.notes();
  await Promise.all([world.writer.stop(), world.probe.stop()]);
  const { clients, commits, server } = world;
  const isSettled = await comesTrue(
    async () =>
      clients.every(({ seen }) => seen >= commits.last) && await isEqual(world.admin, clients),
    options.patienceMs,
  );
  const final = await compareAll(world.admin, clients, server.url, options.patienceMs);
  const settling = isSettled ? [] : ["clients had not settled in the end"];
  return summarize(outage, world, moments, final, [...notes, ...settling, ...lateness]);
}

async function watchRecovery(
  { clients, commits, status }: World,
  startMs: number,
  { windowMs, windowAfterMs, patienceMs }: RunOptions,
): Promise<Moments> {
  const endMs = performance.now(), lastMarker = commits.last;
  const enoughMs = Math.max(startMs + windowMs, endMs + windowAfterMs);
  let freshMs: number | undefined;
  await comesTrue(() => {
    if (clients.every(({ seen }) => seen > lastMarker)) freshMs ??= performance.now();
    return freshMs !== undefined && (status.status === "live" || status.isMissing) &&
      performance.now() > enoughMs;
  }, Math.max(patienceMs, windowMs));
  const liveMs = status.isMissing ? freshMs : status.liveSince(endMs);
  return { startMs, endMs, freshMs, liveMs };
}

function summarize(
  outage: OutageCase,
  world: World,
  { startMs, endMs, freshMs, liveMs }: Moments,
  final: FinalState,
  notes: readonly string[],
): CaseFigures {
  const { clients, probe, status, clock, serverClock } = world;
  const requests = probe.requests.filter((request) => request.endMs >= startMs);
  const judged = clients.filter(({ shape }) => !outage.judgesBystanders || shape !== WHOLE);
  const stalestS = (some: typeof clients) =>
    Math.max(...some.map(({ stalestMs }) => stalestMs)) / 1_000;
  const since = (ms: number | undefined) => ms === undefined ? undefined : (ms - endMs) / 1_000;
  return {
    id: outage.id,
    title: outage.title,
    causeS: (endMs - startMs) / 1_000,
    ...summarizeRequests(requests, clock, serverClock),
    staleLiveS: stalestS(judged),
    staleAnyLiveS: stalestS(clients),
    staleNewS: probe.stalestNewMs / 1_000,
    recoveryS: since(liveMs),
    isStatusMissing: status.isMissing,
    freshS: since(freshMs),
    lost: final.lost,
    duplicated: final.duplicated,
    sentBack: clients.filter(({ refetches }) => refetches > 0).length + (probe.isSentBack ? 1 : 0),
    statuses: status.changes.map(({ status, reason, atMs }) =>
      `${((atMs - startMs) / 1_000).toFixed(1)} ${status}${reason && ` (${reason})`}`
    ),
    notes: [...notes, ...final.notes],
  };
}
