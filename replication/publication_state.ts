/** How far tables are prepared for the stream, as the catalog has it, and what is missing. */

import type { Table } from "../shapes/table.ts";
import { quoteIdent, quoteLiteral, quoteTable } from "./sql_text.ts";
import { DESCENDANTS } from "./inspect.ts";
import type { Sql } from "./connection.ts";

/** From here on a publication can hold whole schemas. */
const SERVER_VERSION_SCHEMAS = 150_000;

export interface PublicationState {
  /** Null if there is no such publication. */
  readonly publication: {
    readonly isOwned: boolean;
    /** `pubgencols`; null before Postgres 18. */
    readonly generated: "s" | "n" | null;
  } | null;
  readonly tables: readonly TableState[];
}

export interface TableState {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly isOwned: boolean;
  /** Neither unlogged nor temporary. */
  readonly isLogged: boolean;
  readonly hasStoredGenerated: boolean;
  readonly isPublished: boolean;
  /** Id of the transaction that published it. */
  readonly publishedXid: string | null;
  /** Published, but not all rows or columns of it. */
  readonly isPartial: boolean;
  /** The relations whose changes are its changes: the table itself, or its partitions that hold rows. */
  readonly leaves: readonly LeafState[];
}

export interface LeafState {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly isOwned: boolean;
  readonly isFull: boolean;
}

/** Ways for the table `c` to be in the publication `p`: by itself, its ancestors, a schema, or all. */
function entriesSql(publication: string, serverVersion: number): string {
  const schemas = serverVersion < SERVER_VERSION_SCHEMAS ? "" : `
    UNION ALL
    SELECT pn.xmin, false FROM pg_catalog.pg_publication_namespace pn
    JOIN line ON line.relnamespace = pn.pnnspid WHERE pn.pnpubid = p.oid`;
  return `
    SELECT entry.xmin, entry.is_partial
    FROM pg_catalog.pg_publication p, LATERAL (
      WITH RECURSIVE line AS (
        SELECT c.oid, c.relispartition, c.relnamespace
        UNION ALL
        SELECT up.oid, up.relispartition, up.relnamespace
        FROM line
        JOIN pg_catalog.pg_inherits i ON i.inhrelid = line.oid
        JOIN pg_catalog.pg_class up ON up.oid = i.inhparent
        WHERE line.relispartition
      )
      SELECT p.xmin, false AS is_partial WHERE p.puballtables
      UNION ALL
      -- By way of JSON because the columns came with Postgres 15.
      SELECT pr.xmin, pg_catalog.to_jsonb(pr) ->> 'prqual' IS NOT NULL
        OR pg_catalog.to_jsonb(pr) ->> 'prattrs' IS NOT NULL
      FROM pg_catalog.pg_publication_rel pr JOIN line ON line.oid = pr.prrelid
      WHERE pr.prpubid = p.oid${schemas}
    ) entry
    WHERE p.pubname = ${quoteLiteral(publication)}`;
}

/** Foreign partitions have no changes that could be published. */
const LEAVES = `
  SELECT r.oid, r.relname, r.relowner, r.relreplident, rn.nspname
  FROM pg_catalog.pg_class r JOIN pg_catalog.pg_namespace rn ON rn.oid = r.relnamespace
  WHERE r.relkind = 'r' AND (r.oid = c.oid OR r.oid IN (${DESCENDANTS}))`;

const STORED_GENERATED = `EXISTS (
  SELECT FROM pg_catalog.pg_attribute a
  WHERE a.attrelid = c.oid AND a.attgenerated = 's' AND NOT a.attisdropped)`;

export function publicationStateSql(
  publication: string,
  oids: readonly number[],
  serverVersion: number,
): string {
  return `SELECT pg_catalog.json_build_object(
    'publication', (
      SELECT pg_catalog.json_build_object(
        'isOwned', pg_catalog.pg_has_role(p.pubowner, 'USAGE'),
        'generated', pg_catalog.to_jsonb(p) ->> 'pubgencols')
      FROM pg_catalog.pg_publication p WHERE p.pubname = ${quoteLiteral(publication)}),
    'tables', COALESCE((
      SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
        'oid', c.oid::int8, 'schema', n.nspname, 'name', c.relname,
        'isOwned', pg_catalog.pg_has_role(c.relowner, 'USAGE'),
        'isLogged', c.relpersistence = 'p',
        'hasStoredGenerated', ${STORED_GENERATED},
        'isPublished', e.oldest IS NOT NULL,
        'publishedXid', e.oldest,
        'isPartial', e.is_partial,
        'leaves', (
          SELECT COALESCE(pg_catalog.json_agg(pg_catalog.json_build_object(
            'oid', l.oid::int8, 'schema', l.nspname, 'name', l.relname,
            'isOwned', pg_catalog.pg_has_role(l.relowner, 'USAGE'),
            'isFull', l.relreplident = 'f') ORDER BY l.oid), '[]')
          FROM (${LEAVES}) l)
      ) ORDER BY c.oid)
      FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace,
      LATERAL (
        SELECT (pg_catalog.array_agg(e.xmin::text ORDER BY pg_catalog.age(e.xmin) DESC))[1] AS oldest,
          COALESCE(pg_catalog.bool_and(e.is_partial), false) AS is_partial
        FROM (${entriesSql(publication, serverVersion)}) e) e
      WHERE c.relkind IN ('r', 'p') AND c.oid IN (${oids})), '[]')
  )::text AS state`;
}

/**
 * Whether each of the tables that are there is published in full, and with all old rows; and the ids
 * of the transactions that made the oldest way in which it is, and the publication, what they are.
 * One that is so long ago that its id would be taken for a coming one is left out.
 */
export function preparedTablesSql(
  publication: string,
  oids: readonly number[],
  serverVersion: number,
): string {
  const isAncient = (xid: string) => `pg_catalog.age(${xid}) < 0`;
  const lately = (xid: string) => `CASE WHEN NOT ${isAncient(xid)} THEN ${xid}::text END`;
  return `SELECT c.oid::int8::text AS oid, e.is_published AS published,
      pg_catalog.concat_ws(' ', ${lately("p.xmin")}, e.oldest) AS xids,
      NOT EXISTS (SELECT FROM (${LEAVES}) l WHERE l.relreplident <> 'f') AS full
    FROM pg_catalog.pg_class c
    LEFT JOIN pg_catalog.pg_publication p ON p.pubname = ${quoteLiteral(publication)},
    LATERAL (
      SELECT pg_catalog.count(*) > 0 AS is_published, (pg_catalog.array_agg(${lately("e.xmin")}
        ORDER BY ${isAncient("e.xmin")} DESC, pg_catalog.age(e.xmin) DESC))[1] AS oldest
      FROM (${entriesSql(publication, serverVersion)}) e WHERE NOT e.is_partial) e
    WHERE c.oid IN (${oids})`;
}

/** The query builds exactly a `PublicationState`. */
export function parsePublicationState(json: string): PublicationState {
  return JSON.parse(json);
}

export async function readServerVersion(sql: Sql): Promise<number> {
  const [row] = await sql.unsafe("SELECT pg_catalog.current_setting('server_version_num') AS num");
  return Number(row.num);
}

/** What is to be done for one table. */
export type PreparationPlan =
  | { readonly kind: "changed" }
  | { readonly kind: "refuse"; readonly message: string }
  | {
    readonly kind: "alter";
    readonly isPublishing: boolean;
    readonly identify: readonly LeafState[];
  };

/** Decides what a table needs. `isManual`: nothing may be altered, only found missing. */
export function planPreparation(
  table: Table,
  state: PublicationState,
  options: { publication: string; isManual: boolean },
): PreparationPlan {
  const found = state.tables.find(({ oid }) => oid === table.oid);
  if (!found || found.name !== table.name || found.schema !== table.schema) {
    return { kind: "changed" };
  }
  const message = findObstacle(found, state, options) ?? findMissing(found, state, options);
  if (message !== undefined) return { kind: "refuse", message };
  return {
    kind: "alter",
    isPublishing: !found.isPublished,
    identify: found.leaves.filter(({ isFull }) => !isFull),
  };
}

/** What nobody but a person can mend, whatever the mode. */
function findObstacle(
  table: TableState,
  { publication }: PublicationState,
  options: { publication: string },
): string | undefined {
  const name = quoteIdent(options.publication);
  if (!publication) return publicationMissing(options.publication);
  if (!table.isLogged) {
    return `Database table ${shown(table)} is unlogged or temporary, so its changes are not ` +
      `replicated. Run: ALTER TABLE ${quoteTable(table)} SET LOGGED`;
  }
  if (table.isPartial) {
    return `Publication ${name} has a row filter or a column list for the database table ` +
      `${shown(table)}. Run: ALTER PUBLICATION ${name} DROP TABLE ${quoteTable(table)}; ` +
      `ALTER PUBLICATION ${name} ADD TABLE ${quoteTable(table)}`;
  }
  if (table.hasStoredGenerated && publication.generated === "n") {
    return `Publication ${name} does not publish the generated columns of the database table ` +
      `${shown(table)}. Run: ALTER PUBLICATION ${name} SET (publish_generated_columns = stored)`;
  }
  return undefined;
}

/** What we could do ourselves, but must not or cannot. */
function findMissing(
  table: TableState,
  { publication }: PublicationState,
  options: { publication: string; isManual: boolean },
): string | undefined {
  const missing: string[] = [];
  const canPublish = table.isOwned && publication?.isOwned;
  if (!table.isPublished && (options.isManual || !canPublish)) {
    const reason = options.isManual
      ? "the ELECTRIC_MANUAL_TABLE_PUBLISHING setting prevents Electric from adding it"
      : "Electric lacks privileges to add it";
    const name = quoteIdent(options.publication);
    missing.push(
      `Database table ${shown(table)} is missing from the publication ${name} and ${reason}. ` +
        `Run: ALTER PUBLICATION ${name} ADD TABLE ${quoteTable(table)}`,
    );
  }
  for (const leaf of table.leaves) {
    if (leaf.isFull || (!options.isManual && leaf.isOwned)) continue;
    missing.push(
      `Database table ${shown(leaf)} does not have its replica identity set to FULL. ` +
        `Run: ALTER TABLE ${quoteTable(leaf)} REPLICA IDENTITY FULL`,
    );
  }
  return missing.length === 0 ? undefined : missing.join(". ");
}

export function publicationMissing(publication: string): string {
  return `Publication ${quoteIdent(publication)} not found in the database`;
}

/** As the messages of the reference name tables: the whole in one pair of quotes. */
function shown({ schema, name }: { schema: string; name: string }): string {
  return `"${schema}.${name}"`;
}

export function publishSql(publication: string, tables: readonly Table[]): string {
  return `ALTER PUBLICATION ${quoteIdent(publication)} ADD TABLE ` +
    tables.map((table) => `ONLY ${quoteTable(table)}`).join(", ");
}

export function identifySql(leaf: LeafState): string {
  return `ALTER TABLE ONLY ${quoteTable(leaf)} REPLICA IDENTITY FULL`;
}
