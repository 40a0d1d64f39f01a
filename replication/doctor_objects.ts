/** Findings about what serve makes in the database: publication, slot, tables. Pure. */

import { type DoctorOptions, fault, type Finding, ok, warning } from "./doctor_finding.ts";
import type { DoctorReadings } from "./doctor_readings.ts";
import { identifySql, type TableState } from "./publication_state.ts";
import { quoteIdent, quoteTable } from "./sql_text.ts";

export function judgePublication(
  { publication, names }: DoctorReadings,
  { isManual }: DoctorOptions,
): readonly Finding[] {
  const name = quoteIdent(names.publication);
  if (!publication) {
    if (!isManual) return [ok("publication", `${name} is not there yet: serve makes it`)];
    const meaning = "Manual publishing is on, so serve does not make it";
    return [fault("publication", `${name} is missing`, meaning, `CREATE PUBLICATION ${name};`)];
  }
  if (!publication.isComplete) {
    return [
      fault(
        "publication",
        `${name} leaves out some kind of change`,
        "Serve does not follow it: shapes would miss changes",
        `ALTER PUBLICATION ${name} SET (publish = 'insert, update, delete, truncate');`,
      ),
    ];
  }
  if (publication.isOwned || isManual) return [ok("publication", name)];
  return [
    warning(
      "publication",
      `${name} belongs to another role`,
      "Tables that are asked for can't be added to it",
      `ALTER PUBLICATION ${name} OWNER TO the role; or set ELECTRIC_MANUAL_TABLE_PUBLISHING=true`,
    ),
  ];
}

export function judgeSlot({ slot, names, role }: DoctorReadings): readonly Finding[] {
  const name = quoteIdent(names.slot);
  if (!slot) return [ok("slot", `${name} is not there yet: serve makes it`)];
  if (slot.plugin !== "pgoutput" || slot.database !== role.database) {
    return [
      fault(
        "slot",
        `${name} is of plugin "${slot.plugin}", database "${slot.database}"`,
        "It is not ours: serve can't use it",
        "Choose another ELECTRIC_REPLICATION_STREAM_ID",
      ),
    ];
  }
  const retained = slot.retainedBytes === null
    ? ""
    : `, retains ${slot.retainedBytes} bytes of WAL`;
  const found = `${name}, ${slot.isActive ? "in use" : "not in use"}${retained}`;
  if (slot.walStatus === "lost" || slot.walStatus === "unreserved") {
    return [
      warning(
        "slot",
        `${found}, WAL is ${slot.walStatus}`,
        "WAL that it needs is gone or about to go: serve compares all shapes and makes a new one",
        "Raise max_slot_wal_keep_size so that it survives longer interruptions",
      ),
    ];
  }
  return [ok("slot", found)];
}

export function judgeTables(
  { tables, unreadable, wanted }: DoctorReadings,
  options: DoctorOptions,
): readonly Finding[] {
  const findings = [
    ...tables.flatMap((table) => judgeTable(table, options)),
    ...unreadable.map(({ name, isForbidden }) =>
      isForbidden
        ? fault(
          "table",
          `${name} can't be read`,
          "Shapes of it fail",
          `GRANT SELECT ON ${name} TO the role;`,
        )
        : warning(
          "table",
          `${name} has row security that hides rows from the role`,
          "Snapshots lack these rows, while the stream brings their changes",
          "ALTER ROLE … BYPASSRLS; for the role of DATABASE_URL, as a superuser",
        )
    ),
  ];
  if (findings.length > 0) return findings;
  const published = tables.length + wanted.filter(({ state }) => state?.isPublished).length;
  return [ok("tables", published === 0 ? "none published yet" : `${published} published`)];
}

/** What ails it, published or not. */
export function judgeTable(table: TableState, { isManual }: DoctorOptions): readonly Finding[] {
  const found: Finding[] = [];
  if (table.isPartial) {
    found.push(fault(
      "table",
      `${quoteTable(table)} is published with a row filter or a column list`,
      "Shapes of it are refused: they would miss changes",
      `ALTER PUBLICATION … SET TABLE ${quoteTable(table)}; without a filter`,
    ));
  }
  if (!table.isLogged) {
    const mend = `ALTER TABLE ${quoteTable(table)} SET LOGGED;`;
    found.push(
      fault("table", `${quoteTable(table)} is unlogged`, "It has no changes to follow", mend),
    );
  }
  for (const leaf of table.leaves.filter(({ isFull }) => !isFull)) {
    const name = quoteTable(leaf), mend = `${identifySql(leaf)};`;
    const text = `${name} lacks REPLICA IDENTITY FULL`;
    if (leaf.isOwned && !isManual) {
      found.push(ok("table", `${text}: serve sets it when the table is asked for`));
    } else {found.push(
        fault("table", text, "Updates come without their old rows: shapes are refused", mend),
      );}
  }
  return found;
}
