/** What clients hold in the end, against what the tables hold. */

import type postgres from "postgres";
import { Fold, isFaulty, type Oddities, type Row, RowComparison, type RowFaults } from "./fold.ts";
import type { LiveClient } from "./live_client.ts";
import { ANSWERED } from "./requests.ts";
import { FOLLOWED, type FollowedShape, readRows } from "./schema.ts";
import { syncAll } from "./shape_request.ts";
import type { Admin } from "./world.ts";

export interface FinalState {
  readonly lost: number;
  readonly duplicated: number;
  readonly notes: readonly string[];
}

/** True once every client holds what the tables hold. */
export async function isEqual(
  { sql, url }: Admin,
  clients: readonly LiveClient[],
): Promise<boolean> {
  for (const { shape, rows } of clients) {
    const [{ count }] = await sql.unsafe(
      `SELECT count(*)::int AS count FROM (${shape.query}) AS s`,
    );
    if (rows !== count) return false;
  }
  for (const client of clients) {
    if (isFaulty((await client.compare(url)).faults)) return false;
  }
  return true;
}

/** Compares the live clients and a last new client of each shape. */
export async function compareAll(
  { sql, url: databaseUrl }: Admin,
  clients: readonly LiveClient[],
  url: string,
  timeoutMs: number,
): Promise<FinalState> {
  let lost = 0, duplicated = 0;
  const notes: string[] = [];
  const count = (name: string, faults: RowFaults, oddities: Oddities) => {
    lost += faults.missing + faults.different;
    duplicated += faults.extra + oddities["inserted twice"];
    const told = Object.entries({ ...faults, ...oddities }).filter(([, times]) => times > 0);
    if (told.length === 0) return;
    notes.push(`${name}: ${told.map(([what, times]) => `${times} ${what}`).join(", ")}`);
  };
  for (const client of clients) {
    const { faults, oddities } = await client.compare(databaseUrl);
    count(client.shape.name, faults, oddities);
  }
  for (const shape of new Set(FOLLOWED)) {
    const fold = new Fold();
    const { outcome } = await syncAll(url, shape.params, fold, timeoutMs);
    if (outcome !== ANSWERED) notes.push(`last new client of ${shape.name}: ${outcome}`);
    count(`new client of ${shape.name}`, await compareTexts(fold, sql, shape), fold.oddities());
  }
  return { lost, duplicated, notes };
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
