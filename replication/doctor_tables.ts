/** Findings about tables that shapes are wanted of, published or not yet. Pure. */

import type { Table, TableColumn, TableName } from "../shapes/table.ts";
import { type DoctorOptions, fault, type Finding, ok, warning } from "./doctor_finding.ts";
import { judgeTable } from "./doctor_objects.ts";
import type { DoctorReadings, WantedTable } from "./doctor_readings.ts";
import type { TableState } from "./publication_state.ts";
import { quoteIdent, quoteTable } from "./sql_text.ts";

const CHECK = "table";
/** Only those that are stored, and from this version on. */
const SERVER_VERSION_GENERATED = 180_000;

/** At least one finding for each. */
export function judgeWanted(
  readings: DoctorReadings,
  options: DoctorOptions,
): readonly Finding[] {
  return readings.wanted.flatMap((wanted) => judgeOne(wanted, readings, options));
}

function judgeOne(
  { name, table, state }: WantedTable,
  readings: DoctorReadings,
  options: DoctorOptions,
): readonly Finding[] {
  if (!table) return [missing(name)];
  if (table.kind === "view" || !state) return [unfollowable(name)];
  const findings = [
    ...judgeEntry(state, readings, options),
    ...judgeTable(state, options),
    ...judgeKey(table),
    ...judgeGenerated(table, readings),
  ];
  if (findings.some(({ severity }) => severity === "error")) return findings;
  return [ok(CHECK, describe(table, state)), ...findings];
}

function missing(name: TableName): Finding {
  return fault(
    CHECK,
    `${quoteTable(name)} is not there`,
    "Requests for it are refused",
    "Create it, or spell its name as SQL does: --table 'schema.\"Name\"'",
  );
}

function unfollowable(name: TableName): Finding {
  return fault(
    CHECK,
    `${quoteTable(name)} is a view, a materialised view or a foreign table`,
    "It has no changes to follow, so requests for it are refused",
    "Sync the tables below it; or set ELECTRIC_CHANGE_SOURCE=query, which follows it by queries",
  );
}

function describe(table: Table, { isPublished, leaves }: TableState): string {
  const partitions = table.kind === "partitioned"
    ? `, ${leaves.length} partition${leaves.length === 1 ? "" : "s"} with rows`
    : "";
  const entry = isPublished
    ? "published"
    : "not published yet: serve publishes it when asked for it";
  return `${quoteTable(table)}${partitions}, ${entry}`;
}

/** Whether serve can put it into the publication, where it is not in it yet. */
function judgeEntry(
  state: TableState,
  { names, publication, role }: DoctorReadings,
  { isManual }: DoctorOptions,
): readonly Finding[] {
  if (state.isPublished) return [];
  const name = quoteTable(state), target = quoteIdent(names.publication);
  const add = `ALTER PUBLICATION ${target} ADD TABLE ${name};`;
  const refused = "Requests for it are answered 503";
  if (isManual) {
    return [fault(CHECK, `${name} is not published, and publishing is manual`, refused, add)];
  }
  if (!state.isOwned) {
    const mend = `ALTER TABLE ${name} OWNER TO ${quoteIdent(role.name)}; ` +
      `or as a superuser, once the publication is there: ${add}`;
    return [fault(CHECK, `${name} is not published and belongs to another role`, refused, mend)];
  }
  // That it belongs to another role has been told with the publication.
  if (publication && !publication.isOwned) {
    return [fault(CHECK, `${name} is not published, nor is the publication ours`, refused, add)];
  }
  return [];
}

function judgeKey(table: Table): readonly Finding[] {
  if (table.columns.some(({ keyIndex }) => keyIndex !== null)) return [];
  const columns = table.columns.map(({ name }) => quoteIdent(name)).slice(0, 1);
  return [warning(
    CHECK,
    `${quoteTable(table)} has no primary key`,
    "All its columns make the key: rows that are alike are one to clients, and an update is a " +
      "delete and an insert",
    `ALTER TABLE ${quoteTable(table)} ADD PRIMARY KEY (${columns.join(", ")}, …);`,
  )];
}

function judgeGenerated(
  table: Table,
  { server, publication, names }: DoctorReadings,
): readonly Finding[] {
  const generated = table.columns.filter((column) => column.generated !== null);
  if (generated.length === 0) return [];
  const canStore = server.version >= SERVER_VERSION_GENERATED;
  if (canStore && publication && !publication.hasGenerated) {
    return [fault(
      CHECK,
      `${quoteTable(table)} has generated columns that the publication leaves out`,
      "Requests for it are answered 503",
      `ALTER PUBLICATION ${
        quoteIdent(names.publication)
      } SET (publish_generated_columns = stored);`,
    )];
  }
  const left = generated.filter((column) => !canStore || column.generated === "virtual");
  return left.length === 0 ? [] : [leftOut(table, left)];
}

function leftOut(table: Table, columns: readonly TableColumn[]): Finding {
  const others = table.columns.filter((column) => !columns.includes(column));
  return warning(
    CHECK,
    `${quoteTable(table)} has generated columns: ${
      columns.map(({ name }) => quoteIdent(name)).join(", ")
    }`,
    "Postgres does not tell their changes: shapes must leave them out",
    `Name the others in requests: columns=${others.map(({ name }) => quoteIdent(name)).join(",")}`,
  );
}
