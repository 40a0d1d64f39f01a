/** Whether a table, as it is now, is still what a shape was made for (WIRE.md 5.4). */

import type { Relation } from "../change.ts";
import type { ShapeDefinition } from "../definition.ts";
import { type Row, UNCHANGED_LENGTH } from "../row.ts";
import { keyColumns, type Table } from "../table.ts";

/**
 * For a relation of the stream: the table itself or one of its partitions. A shape of all columns
 * needs the same ones, a shape with columns of its own only those it selects or is filtered by.
 */
export function isRelationCompatible(definition: ShapeDefinition, relation: Relation): boolean {
  const { table, columns, hasOwnColumns } = definition;
  if (relation.oid === table.oid) {
    if (relation.schema !== table.schema || relation.name !== table.name) return false;
  }
  if (!hasOwnColumns && relation.columns.length !== columns.length) return false;
  const announced = new Map(relation.columns.map((column) => [column.name, column]));
  return neededColumns(definition).every(({ name, typeOid, typeMod }) => {
    const column = announced.get(name);
    return column?.typeOid === typeOid && column.typeMod === typeMod;
  });
}

/** For a table of the catalog. */
export function isTableCompatible(definition: ShapeDefinition, now: Table): boolean {
  const { table, columns, key, hasOwnColumns } = definition;
  if (now.oid !== table.oid || now.schema !== table.schema || now.name !== table.name) return false;
  const sameKey = keyColumns(now).map(({ name }) => name).join("\0") ===
    key.map(({ name }) => name).join("\0");
  if (!sameKey) return false;
  if (!hasOwnColumns && now.columns.length !== columns.length) return false;
  return neededColumns(definition).every(({ name, typeOid, typeMod, generated }) => {
    const column = now.columns.find((other) => other.name === name);
    return column?.typeOid === typeOid && column.typeMod === typeMod &&
      column.generated === generated;
  });
}

/** Why a shape can't go on with the table as it is now; undefined when it can. */
export function whyShapeEnds(
  definition: ShapeDefinition,
  now: Table | undefined,
): string | undefined {
  if (!now) return "The table is gone";
  if (!isTableCompatible(definition, now)) return "The table's definition changed";
  // Rows that come and go with a partition are not in the stream.
  const { partitions } = definition.table;
  if (partitions.some((oid) => !now.partitions.includes(oid))) return "The table lost a partition";
  const isFilled = now.attached.some((oid) => !partitions.includes(oid));
  return isFilled ? "A partition was attached to the table" : undefined;
}

function neededColumns({ table, columns, where }: ShapeDefinition) {
  if (!where) return columns;
  return [...columns, ...table.columns.filter(({ name }) => where.columns.includes(name))];
}

/** Whether the row lacks a value that the shape needs: an unchanged TOAST value without old row. */
export function needsColumns(
  definition: ShapeDefinition,
  row: Row,
  placeOf: (column: string) => number,
): boolean {
  return neededColumns(definition).some(({ name }) =>
    row.lengths[placeOf(name)] === UNCHANGED_LENGTH
  );
}
