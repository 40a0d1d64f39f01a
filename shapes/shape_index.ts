/** The live shapes, by everything they are looked up by. */

import type { ShapeDefinition } from "./definition.ts";
import type { DefinitionRequest } from "./service.ts";
import { isSameTable, type Table, type TableName } from "./table.ts";

/** Requests remembered with the shape they came to; beyond either limit all are forgotten. */
const REQUESTS_MAX = 50_000;
const REQUEST_CHARACTERS_MAX = 8 * 1024 * 1024;

export interface IndexedShape {
  readonly handle: string;
  readonly definition: ShapeDefinition;
}

export class ShapeIndex<S extends IndexedShape> {
  readonly #byHandle = new Map<string, S>();
  readonly #byDefinition = new Map<string, S>();
  readonly #byRequest = new Map<string, S>();
  /** Characters of all keys of `byRequest`. */
  #requestCharacters = 0;
  readonly #byTable = new Map<number, Set<S>>();
  /** By OID the tables as shapes know them: older shapes may know an older one, the newest is last. */
  readonly #tables = new Map<number, Table[]>();
  readonly #oids = new Map<string, number>();

  get size(): number {
    return this.#byHandle.size;
  }

  get shapes(): Iterable<S> {
    return this.#byHandle.values();
  }

  /** The tables that have shapes, in every description that a shape may rest on. */
  get tables(): readonly Table[] {
    return [...this.#tables.values()].flat();
  }

  byHandle(handle: string): S | undefined {
    return this.#byHandle.get(handle);
  }

  byDefinition(canonical: string): S | undefined {
    return this.#byDefinition.get(canonical);
  }

  byRequest(request: DefinitionRequest): S | undefined {
    return this.#byRequest.get(requestKey(request));
  }

  onTable(oid: number): S[] {
    return [...this.#byTable.get(oid) ?? []];
  }

  tableByName({ schema, name }: TableName): Table | undefined {
    const known = this.#tables.get(this.#oids.get(nameKey({ schema, name })) ?? 0);
    return known?.findLast((table) => table.schema === schema && table.name === name);
  }

  /** As last heard of. */
  tableByOid(oid: number): Table | undefined {
    return this.#tables.get(oid)?.at(-1);
  }

  add(shape: S, canonical: string): void {
    const { table } = shape.definition;
    this.#byHandle.set(shape.handle, shape);
    this.#byDefinition.set(canonical, shape);
    this.#byTable.set(table.oid, (this.#byTable.get(table.oid) ?? new Set()).add(shape));
    const known = this.#tables.get(table.oid) ?? [];
    if (!known.some((other) => isSameTable(other, table))) known.push(table);
    this.#tables.set(table.oid, known);
    this.#oids.set(nameKey(table), table.oid);
  }

  remember(request: DefinitionRequest, shape: S): void {
    const key = requestKey(request);
    if (!this.#byRequest.has(key)) this.#requestCharacters += key.length;
    const isFull = this.#requestCharacters > REQUEST_CHARACTERS_MAX;
    if (isFull || this.#byRequest.size >= REQUESTS_MAX) {
      this.#byRequest.clear();
      this.#requestCharacters = key.length;
    }
    this.#byRequest.set(key, shape);
  }

  /** The known table if it is the same: thousands of shapes then have one description in common. */
  sharedTable(table: Table): Table {
    const known = this.tableByName(table);
    return known && isSameTable(known, table) ? known : table;
  }

  /** All shapes on the table know it as it is here. */
  setTable(table: Table): void {
    this.#forgetTable(table.oid);
    this.#tables.set(table.oid, [table]);
    this.#oids.set(nameKey(table), table.oid);
  }

  remove(shape: S, canonical: string): void {
    const { oid } = shape.definition.table;
    this.#byHandle.delete(shape.handle);
    if (this.#byDefinition.get(canonical) === shape) this.#byDefinition.delete(canonical);
    const others = this.#byTable.get(oid);
    others?.delete(shape);
    if (others?.size !== 0) return;
    this.#byTable.delete(oid);
    this.#forgetTable(oid);
  }

  #forgetTable(oid: number): void {
    for (const table of this.#tables.get(oid) ?? []) {
      if (this.#oids.get(nameKey(table)) === oid) this.#oids.delete(nameKey(table));
    }
    this.#tables.delete(oid);
  }
}

function nameKey({ schema, name }: TableName): string {
  return `${schema}\0${name}`;
}

function requestKey(request: DefinitionRequest): string {
  const { table, where, params, columns, queryableColumns, replica, log } = request;
  let key = `${replica}\0${log}\0${table}\0${where ?? "\x01"}`;
  if (columns !== undefined) key += `\0c${JSON.stringify(columns)}`;
  if (queryableColumns !== undefined) key += `\0q${JSON.stringify(queryableColumns)}`;
  if (request.keyColumns !== undefined) key += `\0k${JSON.stringify(request.keyColumns)}`;
  if (params.size > 0) key += `\0p${JSON.stringify([...params])}`;
  return key;
}
