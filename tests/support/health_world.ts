/** A stream with its looks at the server, over a recording sink. */

import assert from "node:assert/strict";
import type postgres from "postgres";
import { parseDatabaseUrl } from "../../replication/database_url.ts";
import { type HealthOptions, ReplicationHealth } from "../../replication/health.ts";
import { parseLsn } from "../../replication/lsn.ts";
import type { Mode } from "../../shapes/mode.ts";
import { recordingLogger, RecordingSink, waitUntil } from "./recording_sink.ts";

export interface RunningHealth extends AsyncDisposable {
  readonly health: ReplicationHealth;
  readonly sink: RecordingSink;
  readonly modes: Mode[];
  readonly log: readonly string[];
}

export interface WorldOptions extends Omit<Partial<HealthOptions>, "url"> {
  readonly url: string;
}

export function start({ url, ...options }: WorldOptions): RunningHealth {
  const sink = new RecordingSink();
  const modes: Mode[] = [];
  const logger = recordingLogger();
  const health = new ReplicationHealth({
    streamId: newStreamId(),
    isManual: false,
    ...options,
    url: parseDatabaseUrl(url),
    sink,
    logger,
    onMode: (mode) => modes.push(mode),
  });
  const controller = new AbortController();
  const running = health.run(controller.signal);
  const dispose = async () => {
    controller.abort();
    await running;
  };
  return { health, sink, modes, log: logger.lines, [Symbol.asyncDispose]: dispose };
}

export function newStreamId(): string {
  return `t${crypto.randomUUID().replaceAll("-", "").slice(0, 12)}`;
}

/** Waits for a mode; tells the one that it is in when that does not come. */
export async function until(
  { health }: RunningHealth,
  kind: Mode["kind"],
  reason?: Mode["reason"],
  limitMs?: number,
): Promise<void> {
  const isThere = () =>
    health.mode.kind === kind && (reason === undefined || health.mode.reason === reason);
  await waitUntil(`the mode is ${kind}`, isThere, limitMs).catch((error) =>
    assert.fail(`${error.message}, but it is ${JSON.stringify(health.mode)}`)
  );
}

/** Runs of equal modes, one each. */
export function kindsOf({ modes }: RunningHealth): string[] {
  return modes.map(({ kind }) => kind).filter((kind, i, all) => kind !== all[i - 1]);
}

export async function confirmedLsn(sql: postgres.Sql, streamId: string): Promise<bigint> {
  const [slot] = await sql`SELECT confirmed_flush_lsn::text AS lsn FROM pg_replication_slots
    WHERE slot_name = ${`electric_slot_${streamId}`}`;
  return parseLsn(slot.lsn);
}
