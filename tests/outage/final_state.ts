/** What clients hold in the end, against what the tables hold. */

import type postgres from "postgres";
import { Fold, type Row, RowComparison, type RowFaults } from "./fold.ts";
import type { LiveClient } from "./live_client.ts";
import { FOLLOWED, type FollowedShape } from "./schema.ts";
import { ANSWERED } from "./requests.ts";
import { syncAll } from "./shape_request.ts";

export interface FinalState {
  readonly lost: number;
  readonly duplicated: number;
  readonly notes: readonly string[];
}

const CURSOR_ROWS = 10_000;

/** True once every client holds what the tables hold. */
export async function isEqual(
  sql: postgres.Sql,
  clients: readonly LiveClient[],
): Promise<boolean> {
  for (const client of clients) {
    const [{ count }] = await sql.unsafe(
      `SELECT count(*)::int AS count FROM (${client.shape.query}) AS shape`,
    );
    if (client.fold.size !== count) return false;
  }
  for (const client of clients) {
    if (isFaulty(await client.compare(readRows(sql, client.shape)))) return false;
  }
  return true;
}

/** Compares the live clients and a last new client of each shape. */
export async function compareAll(
  sql: postgres.Sql,
  clients: readonly LiveClient[],
  url: string,
  timeoutMs: number,
): Promise<FinalState> {
  let lost = 0, duplicated = 0;
  const notes: string[] = [];
  const count = (name: string, faults: RowFaults, fold: Fold) => {
    lost += faults.missing + faults.different;
    duplicated += faults.extra + fold.doubleInserts;
    const odd = { ...faults, ...oddities(fold) };
    const told = Object.entries(odd).filter(([, times]) => times > 0);
    if (told.length === 0) return;
    notes.push(`${name}: ${told.map(([what, times]) => `${times} ${what}`).join(", ")}`);
  };
  for (const client of clients) {
    count(client.shape.name, await client.compare(readRows(sql, client.shape)), client.fold);
  }
  for (const shape of new Set(FOLLOWED)) {
    const fold = new Fold();
    const { outcome } = await syncAll(url, shape.params, fold, timeoutMs);
    if (outcome !== ANSWERED) notes.push(`last new client of ${shape.name}: ${outcome}`);
    count(`new client of ${shape.name}`, await compareTexts(fold, sql, shape), fold);
  }
  return { lost, duplicated, notes };
}

function oddities({ doubleInserts, strayUpdates, strayDeletes }: Fold) {
  return {
    "inserted twice": doubleInserts,
    "updated without being there": strayUpdates,
    "deleted without being there": strayDeletes,
  };
}

function isFaulty({ missing, extra, different }: RowFaults): boolean {
  return missing + extra + different > 0;
}

async function compareTexts(
  fold: Fold,
  sql: postgres.Sql,
  shape: FollowedShape,
): Promise<RowFaults> {
  const comparison = new RowComparison(fold.rows(), shape.idColumn);
  for await (const rows of readRows(sql, shape)) comparison.expect(rows.map(asTexts));
  return comparison.finish();
}

function asTexts(row: Row): Row {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, `${value}`]));
}

async function* readRows(sql: postgres.Sql, { query }: FollowedShape): AsyncGenerator<Row[]> {
  for await (const rows of sql.unsafe(query).cursor(CURSOR_ROWS)) {
    yield rows.map((row) => ({ ...row }));
  }
}
