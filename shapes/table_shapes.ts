/** Which shapes a relation of the stream concerns: those on it, and on the tables it is part of. */

import type { Shape } from "./shape.ts";
import type { Table } from "./table.ts";

/** The shapes on one table, and its partitions as last heard of, at every level. */
interface ShapesOnTable {
  readonly shapes: Set<Shape>;
  partitions: Set<number>;
  readonly isPartitioned: boolean;
}

export class TableShapes {
  readonly #byTable = new Map<number, ShapesOnTable>();
  /** By relation the tables that it is a partition of. */
  readonly #ancestors = new Map<number, readonly number[]>();

  add(shape: Shape): void {
    const { oid, kind, partitions } = shape.definition.table;
    let onTable = this.#byTable.get(oid);
    if (!onTable) {
      onTable = { shapes: new Set(), partitions: new Set(), isPartitioned: kind === "partitioned" };
      this.#byTable.set(oid, onTable);
    }
    for (const partition of partitions) onTable.partitions.add(partition);
    onTable.shapes.add(shape);
  }

  remove(shape: Shape): void {
    const { oid } = shape.definition.table;
    const onTable = this.#byTable.get(oid);
    onTable?.shapes.delete(shape);
    if (onTable?.shapes.size === 0) this.#byTable.delete(oid);
  }

  /** The shapes on the table itself. */
  onTable(oid: number): Shape[] {
    return [...this.#byTable.get(oid)?.shapes ?? []];
  }

  /** The table has other partitions, and all shapes on it know them. */
  setPartitions(table: Table): void {
    const onTable = this.#byTable.get(table.oid);
    if (!onTable) return;
    onTable.partitions = new Set(table.partitions);
    for (const [relationOid, oids] of this.#ancestors) {
      if (onTable.partitions.has(relationOid)) continue;
      this.#ancestors.set(relationOid, oids.filter((oid) => oid !== table.oid));
    }
  }

  get hasPartitioned(): boolean {
    for (const { isPartitioned } of this.#byTable.values()) if (isPartitioned) return true;
    return false;
  }

  setAncestors(relationOid: number, oids: readonly number[]): void {
    this.#ancestors.set(relationOid, oids);
  }

  /** A stream begins: relations are announced anew. */
  forgetAncestors(): void {
    this.#ancestors.clear();
  }

  concernedBy(relationOid: number): Shape[] {
    const found: Shape[] = [];
    for (const [tableOid, { shapes }] of this.#byTable) {
      if (this.concerns(relationOid, tableOid)) found.push(...shapes);
    }
    return found;
  }

  concerns(relationOid: number, tableOid: number): boolean {
    if (relationOid === tableOid) return true;
    if (this.#ancestors.get(relationOid)?.includes(tableOid)) return true;
    return this.#byTable.get(tableOid)?.partitions.has(relationOid) ?? false;
  }
}
