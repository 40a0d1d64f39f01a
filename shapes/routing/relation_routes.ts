/** Which shapes a relation of the stream concerns, and how their items are written from its rows. */

import type { Relation } from "../change.ts";
import type { EndKind } from "../counters.ts";
import { ItemEncoder } from "../log/item_encoder.ts";
import type { Row } from "../row.ts";
import type { Shape } from "../shape.ts";
import { isRelationCompatible, needsColumns } from "./compatibility.ts";
import { ExternalConditions, type Question } from "./external_conditions.ts";
import { Router } from "./router.ts";

/** A shape as one relation's changes see it. */
export interface Target {
  readonly shape: Shape;
  readonly encoder: ItemEncoder;
  /** The change whose old row was last found to belong to the shape: see `Routes`. */
  mark: number;
}

/** The shapes on one relation, found by row. */
export class RelationRoutes {
  readonly relation: Relation;
  readonly #places: ReadonlyMap<string, number>;
  readonly #externals: ExternalConditions;
  readonly #router: Router<Target>;
  readonly #targets = new Map<Shape, Target>();
  /** One for all shapes whose items look alike. */
  readonly #encoders = new Map<string, ItemEncoder>();

  constructor(relation: Relation) {
    this.relation = relation;
    this.#places = new Map(relation.columns.map(({ name }, place) => [name, place]));
    this.#externals = new ExternalConditions(relation);
    this.#router = new Router(this.#placeOf, this.#externals.predicate);
  }

  get size(): number {
    return this.#targets.size;
  }

  get targets(): Iterable<Target> {
    return this.#targets.values();
  }

  /** Whether rows must be asked about before they are routed. */
  get hasExternals(): boolean {
    return this.#externals.size > 0;
  }

  /** False if the relation, as announced, is not what the shape was made for. */
  add(shape: Shape): boolean {
    if (!isRelationCompatible(shape.definition, this.relation)) return false;
    if (this.#targets.has(shape)) return true;
    const target = { shape, encoder: this.#encoderOf(shape), mark: 0 };
    this.#externals.add(shape);
    try {
      this.#router.add(target, shape.definition.where);
    } catch (error) {
      this.#externals.remove(shape);
      throw error;
    }
    this.#targets.set(shape, target);
    return true;
  }

  /** The same for one of many: why it could not be added. It must not stop the stream of the others. */
  tryAdd(shape: Shape): [reason: string, kind: EndKind] | undefined {
    try {
      return this.add(shape) ? undefined : ["The table's definition changed", "table_changed"];
    } catch (error) {
      const reason = error instanceof Error ? error.message : `${error}`;
      return [`Its filter can't be evaluated: ${reason}`, "filter_failed"];
    }
  }

  remove(shape: Shape): void {
    const target = this.#targets.get(shape);
    if (!target) return;
    this.#targets.delete(shape);
    this.#router.remove(target);
    this.#externals.remove(shape);
  }

  route(row: Row, visit: (target: Target) => void): void {
    this.#router.route(row, visit);
  }

  /** What Postgres must be asked before the rows can be routed; nothing if it is all known. */
  questions(rows: readonly Row[]): readonly Question[] {
    return this.#externals.collect(() => {
      for (const row of rows) this.#router.route(row, ignore);
    });
  }

  /** Whether any of the columns that the shape reads or is filtered by is an unchanged TOAST value. */
  lacksColumns(target: Target, row: Row): boolean {
    return needsColumns(target.shape.definition, row, this.#placeOf);
  }

  #encoderOf({ definition }: Shape): ItemEncoder {
    const { table, columns, replica } = definition;
    const layout = JSON.stringify([table.oid, replica, ...columns.map(({ name }) => name)]);
    const known = this.#encoders.get(layout);
    if (known) return known;
    const encoder = new ItemEncoder(definition, this.#placeOf);
    this.#encoders.set(layout, encoder);
    return encoder;
  }

  readonly #placeOf = (column: string): number => this.#places.get(column) ?? -1;
}

function ignore(): void {}
