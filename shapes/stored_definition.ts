/** A definition as it is kept with its shape, so that it can be made again without the database. */

import { type DefinitionRules, resolveDefinition, type ShapeDefinition } from "./definition.ts";
import type { DefinitionRequest } from "./service.ts";
import type { Table } from "./table.ts";

/** Raised when what is written can't be read by earlier versions. */
const VERSION = 1;

interface Stored {
  readonly version: number;
  readonly table: Table;
  readonly columns: readonly string[];
  readonly hasOwnColumns: boolean;
  /** Undefined in what earlier versions wrote, too. */
  readonly keyColumns: readonly string[] | undefined;
  readonly where: string | undefined;
  readonly params: readonly (readonly [string, string])[];
  readonly replica: DefinitionRequest["replica"];
  readonly log: DefinitionRequest["log"];
  readonly rules: DefinitionRules;
}

export function formatStoredDefinition(
  definition: ShapeDefinition,
  request: DefinitionRequest,
  rules: DefinitionRules,
): string {
  const stored: Stored = {
    version: VERSION,
    table: definition.table,
    columns: definition.columns.map(({ name }) => name),
    hasOwnColumns: definition.hasOwnColumns,
    keyColumns: definition.declaredKey,
    where: request.where,
    params: [...request.params],
    replica: definition.replica,
    log: definition.log,
    rules,
  };
  return JSON.stringify(stored);
}

/** The rules that it was made by. */
export function parseStoredRules(text: string): DefinitionRules {
  return (JSON.parse(text) as Stored).rules;
}

/**
 * Undefined when it was written by another version, whose shapes have to be made anew. `shared` may
 * give an equal table that is there already.
 */
export function parseStoredDefinition(
  text: string,
  shared: (table: Table) => Table = (table) => table,
): ShapeDefinition | undefined {
  const stored = JSON.parse(text) as Stored;
  if (stored.version !== VERSION) return undefined;
  const request: DefinitionRequest = {
    table: "",
    where: stored.where,
    params: new Map(stored.params),
    columns: stored.columns,
    queryableColumns: undefined,
    keyColumns: stored.keyColumns,
    replica: stored.replica,
    log: stored.log,
  };
  const definition = resolveDefinition(request, shared(stored.table), stored.rules);
  return { ...definition, hasOwnColumns: stored.hasOwnColumns };
}
