/** What becomes of shapes when something is learnt of their tables. */

import type { ShapeDefinition } from "./definition.ts";
import type { Ingest } from "./ingest.ts";
import type { ShapeStore } from "./log/store.ts";
import type { Logger, Source } from "./ports.ts";
import { whyShapeEnds } from "./routing/compatibility.ts";
import type { Shape } from "./shape.ts";
import type { ShapeIndex } from "./shape_index.ts";
import type { Table } from "./table.ts";
import { shows } from "./visibility.ts";

export interface TableEventsOptions {
  readonly source: Pick<Source, "ancestors" | "describe" | "prepare">;
  readonly store: Pick<ShapeStore, "setPartitions" | "flushed">;
  readonly logger: Logger;
  readonly index: ShapeIndex<Shape>;
  readonly ingest: () => Ingest | undefined;
  /** The stream has left out something of the shape, which must be reconciled. */
  readonly lose: (shape: Shape, reason: string) => void;
  /** The shape is no longer what its table says. */
  readonly end: (shape: Shape, reason: string) => void;
}

export class TableEvents {
  readonly #options: TableEventsOptions;
  readonly #index: ShapeIndex<Shape>;
  /** Tables that could not be prepared again, each mentioned once. */
  readonly #reported = new WeakSet<Table>();

  constructor(options: TableEventsOptions) {
    this.#options = options;
    this.#index = options.index;
  }

  /** The database says something else of a table than some shapes know: undefined when it is gone. */
  changed(oid: number, now: Table | undefined): void {
    let hasGrown = false;
    for (const shape of this.#index.onTable(oid)) {
      const reason = whyShapeEnds(shape.definition, now);
      if (reason) this.#options.end(shape, reason);
      else if (now) {
        hasGrown ||= now.partitions.length > shape.definition.table.partitions.length;
        shape.updateTable(now);
      }
    }
    if (!now || this.#index.onTable(oid).length === 0) return;
    this.#index.setTable(now);
    if (now.kind === "partitioned") {
      this.#options.store.setPartitions(oid, now.partitions);
      this.#options.ingest()?.refresh(now);
    }
    if (hasGrown) this.#prepareAgain(now);
  }

  /** The changes of a table are no longer in the stream, or not with their old rows. */
  unprepared(oid: number, lost: "publication" | "identity"): void {
    const table = this.#index.tableByOid(oid);
    if (!table) return;
    if (lost === "identity") return void this.#prepareAgain(table);
    // Nobody knows what has been missed.
    for (const shape of this.#index.onTable(oid)) {
      this.#options.lose(shape, "The table was not published");
    }
  }

  /**
   * What publishes the table is as it is since these transactions. Shapes whose rows were read before
   * one of them may lack changes, however short the time was in which it was otherwise.
   */
  published(oid: number, xids: readonly number[]): void {
    for (const shape of this.#index.onTable(oid)) {
      const { visibility, isFollowed } = shape;
      if (!visibility || !isFollowed || xids.every((xid) => shows(visibility, xid))) continue;
      this.#options.lose(shape, "The publication was changed");
    }
  }

  /**
   * The table is about to be published. Were there shapes of it already, they have missed changes,
   * and looking at the table later would no longer tell: when it resolves a crash can't make that
   * forgotten.
   */
  async publishing(oid: number): Promise<void> {
    if (!this.#index.onTable(oid).some(({ visibility }) => visibility)) return;
    this.unprepared(oid, "publication");
    await this.#options.store.flushed();
  }

  /** Whether the table has a shape that relies on its being prepared. */
  isPrepared(oid: number): boolean {
    return this.#index.onTable(oid).some((shape) => shape.visibility && shape.isFollowed);
  }

  /**
   * OIDs of the tables with shapes that a relation of the stream is a partition of. Shapes have
   * learnt of the partition, or have ended because of it, when it resolves.
   */
  async ancestors(relationOid: number): Promise<readonly number[]> {
    const oids = await this.#options.source.ancestors(relationOid);
    const known = oids.filter((oid) => this.#index.tableByOid(oid) !== undefined);
    for (const oid of known) await this.#look(oid, relationOid);
    return known.filter((oid) => this.#index.tableByOid(oid)?.partitions.includes(relationOid));
  }

  /** Asks the database about a table that may have a partition we have not heard of. */
  async #look(oid: number, partition: number): Promise<void> {
    for (;;) {
      const table = this.#index.tableByOid(oid);
      const shapes = this.#index.onTable(oid);
      if (!table || shapes.every(({ definition }) => hasPartition(definition, partition))) return;
      const now = await this.#options.source.describe(table);
      // The watch was faster, and may have seen more.
      if (table !== this.#index.tableByOid(oid)) continue;
      return this.changed(oid, now?.oid === oid ? now : undefined);
    }
  }

  async #prepareAgain(table: Table): Promise<void> {
    try {
      await this.#options.source.prepare(table);
    } catch (error) {
      if (this.#reported.has(table)) return;
      this.#reported.add(table);
      const reason = error instanceof Error ? error.message : `${error}`;
      this.#options.logger.warn("Table is not fully prepared", { table: table.name, reason });
    }
  }
}

function hasPartition({ table }: ShapeDefinition, partition: number): boolean {
  return table.partitions.includes(partition);
}
