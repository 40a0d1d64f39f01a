/** The live shapes, by everything they are looked up by. */

import type { DefinitionRequest } from "./service.ts";
import type { Shape } from "./shape.ts";
import type { Table, TableName } from "./table.ts";

/** Requests remembered with the shape they came to; beyond this all are forgotten. */
const REQUESTS_MAX = 50_000;

export class ShapeIndex {
  readonly #byHandle = new Map<string, Shape>();
  readonly #byDefinition = new Map<string, Shape>();
  readonly #byRequest = new Map<string, Shape>();
  readonly #byTable = new Map<number, Set<Shape>>();
  readonly #tables = new Map<string, Table>();

  get size(): number {
    return this.#byHandle.size;
  }

  get shapes(): Iterable<Shape> {
    return this.#byHandle.values();
  }

  /** The tables that have shapes, as last known. */
  get tables(): Iterable<Table> {
    return this.#tables.values();
  }

  byHandle(handle: string): Shape | undefined {
    return this.#byHandle.get(handle);
  }

  byDefinition(canonical: string): Shape | undefined {
    return this.#byDefinition.get(canonical);
  }

  byRequest(request: DefinitionRequest): Shape | undefined {
    return this.#byRequest.get(requestKey(request));
  }

  onTable(oid: number): Shape[] {
    return [...this.#byTable.get(oid) ?? []];
  }

  tableByName({ schema, name }: TableName): Table | undefined {
    return this.#tables.get(`${schema}\0${name}`);
  }

  add(shape: Shape, canonical: string): void {
    const { table } = shape.definition;
    this.#byHandle.set(shape.handle, shape);
    this.#byDefinition.set(canonical, shape);
    this.#byTable.set(table.oid, (this.#byTable.get(table.oid) ?? new Set()).add(shape));
    this.setTable(table);
  }

  remember(request: DefinitionRequest, shape: Shape): void {
    if (this.#byRequest.size >= REQUESTS_MAX) this.#byRequest.clear();
    this.#byRequest.set(requestKey(request), shape);
  }

  setTable(table: Table): void {
    this.#tables.set(`${table.schema}\0${table.name}`, table);
  }

  remove(shape: Shape, canonical: string): void {
    const { oid, schema, name } = shape.definition.table;
    this.#byHandle.delete(shape.handle);
    if (this.#byDefinition.get(canonical) === shape) this.#byDefinition.delete(canonical);
    const others = this.#byTable.get(oid);
    others?.delete(shape);
    if (others?.size !== 0) return;
    this.#byTable.delete(oid);
    if (this.tableByName({ schema, name })?.oid === oid) this.#tables.delete(`${schema}\0${name}`);
  }
}

function requestKey(request: DefinitionRequest): string {
  const { table, where, params, columns, queryableColumns, replica, log } = request;
  let key = `${replica}\0${log}\0${table}\0${where ?? "\x01"}`;
  if (columns !== undefined) key += `\0c${JSON.stringify(columns)}`;
  if (queryableColumns !== undefined) key += `\0q${JSON.stringify(queryableColumns)}`;
  if (params.size > 0) key += `\0p${JSON.stringify([...params])}`;
  return key;
}
