import type { ErrorField } from "../shapes/errors.ts";
import { parseRequestedOffset, type RequestedOffset } from "../shapes/offset.ts";
import type { DefinitionRequest } from "../shapes/service.ts";
import type { LiveMode } from "./cache_rules.ts";
import { FIELD_ERROR, NO, PARAM } from "./protocol.ts";

/** Parameters by name: texts, lists and maps from the query, any JSON value from a body. */
export type Params = ReadonlyMap<string, unknown>;

/** Most requests have none, and thousands of requests wait at once. */
const NO_PARAMS: ReadonlyMap<string, string> = new Map();

export type FieldErrors = Partial<Record<ErrorField, readonly string[]>>;

export interface ShapeRequest {
  readonly definition: DefinitionRequest;
  readonly offset: RequestedOffset;
  /** Undefined also where the offset makes it meaningless: at the start and at `now`. */
  readonly handle: string | undefined;
  readonly live: LiveMode;
  readonly cursor: string | undefined;
  readonly isSubset: boolean;
}

export interface DeleteRequest {
  /** Undefined when no table is named: the handle says which shape. */
  readonly definition: DefinitionRequest | undefined;
  readonly handle: string | undefined;
}

export type Parsed<T> =
  | { readonly kind: "ok"; readonly value: T }
  | { readonly kind: "invalid"; readonly errors: FieldErrors };

/** Checks stage by stage: one with errors hides those after it (WIRE.md 2.1). */
export function parseShapeRequest(params: Params): Parsed<ShapeRequest> {
  const cast = new Cast(params);
  const fields = cast.fields();
  const live = isSwitchedOn(params, PARAM.live);
  const sse = params.has(PARAM.liveSse)
    ? isSwitchedOn(params, PARAM.liveSse)
    : cast.boolean(PARAM.experimentalLiveSse, "live_sse") ?? false;
  if (fields.offset === undefined) cast.require("offset");
  if (cast.hasErrors) return invalid(cast.errors);

  const offset = parseRequestedOffset(fields.offset ?? "");
  if (!offset) return invalid({ offset: [FIELD_ERROR.offsetFormat] });
  const errors = findConflict(offset, fields.handle, live, sse) ??
    (fields.table === undefined ? { table: [FIELD_ERROR.blank] } : undefined);
  if (errors) return invalid(errors);
  const value: ShapeRequest = {
    definition: toDefinition(fields, fields.table ?? ""),
    offset,
    handle: offset.kind === "at" ? fields.handle : undefined,
    live: !live ? "no" : sse ? "sse" : "longPoll",
    cursor: textOf(params.get(PARAM.cursor)),
    isSubset: hasSubset(params),
  };
  return { kind: "ok", value };
}

/** DELETE casts `live` and its like as booleans, and wants a table or a handle (WIRE.md 1.5). */
export function parseDeleteRequest(params: Params): Parsed<DeleteRequest> {
  const cast = new Cast(params);
  const fields = cast.fields();
  cast.boolean(PARAM.live, "live");
  cast.boolean(params.has(PARAM.liveSse) ? PARAM.liveSse : PARAM.experimentalLiveSse, "live_sse");
  if (cast.hasErrors) return invalid(cast.errors);
  const { table, handle } = fields;
  if (table === undefined && handle === undefined) {
    return invalid({ handle: [FIELD_ERROR.handleBlankOnDelete] });
  }
  const definition = table === undefined ? undefined : toDefinition(fields, table);
  return { kind: "ok", value: { definition, handle } };
}

function invalid(errors: FieldErrors): { kind: "invalid"; errors: FieldErrors } {
  return { kind: "invalid", errors };
}

function findConflict(
  offset: RequestedOffset,
  handle: string | undefined,
  live: boolean,
  sse: boolean,
): FieldErrors | undefined {
  if (offset.kind === "at" && handle === undefined) return { handle: [FIELD_ERROR.handleBlank] };
  if (live && offset.kind === "before") return { live: [FIELD_ERROR.liveAtStart] };
  if (live && offset.kind === "now") return { live: [FIELD_ERROR.liveAtNow] };
  if (sse && !live) return { live_sse: [FIELD_ERROR.sseWithoutLive] };
  return undefined;
}

/** Any value but the text `false` switches on; so does none (WIRE.md 2.2). */
function isSwitchedOn(params: Params, name: string): boolean {
  return params.has(name) && params.get(name) !== NO;
}

function hasSubset(params: Params): boolean {
  for (const name of params.keys()) {
    if (name.startsWith(PARAM.subsetPrefix) || name === PARAM.subset) return true;
  }
  return false;
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

type Fields = ReturnType<Cast["fields"]>;

function toDefinition(fields: Fields, table: string): DefinitionRequest {
  const { where, params, columns, queryableColumns, keyColumns, replica, log } = fields;
  return {
    table,
    where,
    params,
    columns,
    queryableColumns,
    ...(keyColumns === undefined ? {} : { keyColumns }),
    replica: replica ?? "default",
    log: log ?? "full",
  };
}

/** Casts fields one by one and gathers what is wrong with them. Blank texts count as absent. */
class Cast {
  readonly errors: Partial<Record<ErrorField, string[]>> = {};
  readonly #params: Params;
  hasErrors = false;

  constructor(params: Params) {
    this.#params = params;
  }

  fields() {
    return {
      table: this.#text(PARAM.table),
      offset: this.#text(PARAM.offset),
      handle: this.#text(PARAM.handle),
      where: this.#text(PARAM.where),
      params: this.#textMap(PARAM.params),
      columns: this.#columns(PARAM.columns),
      queryableColumns: this.#columns(PARAM.queryableColumns),
      keyColumns: this.#columns(PARAM.keyColumns),
      replica: this.#oneOf(PARAM.replica, ["default", "full"] as const),
      log: this.#oneOf(PARAM.log, ["full", "changes_only"] as const),
      compaction: this.boolean(PARAM.experimentalCompaction, "experimental_compaction"),
    };
  }

  boolean(name: string, field: ErrorField): boolean | undefined {
    const value = this.#present(name);
    if (value === undefined || typeof value === "boolean") return value;
    if (value === "true" || value === "1") return true;
    if (value === "false" || value === "0") return false;
    return this.#refuse(field);
  }

  require(field: ErrorField): void {
    if (this.errors[field]) return;
    this.errors[field] = [FIELD_ERROR.blank];
    this.hasErrors = true;
  }

  #text(name: ErrorField): string | undefined {
    const value = this.#present(name);
    return value === undefined || typeof value === "string" ? value : this.#refuse(name);
  }

  #oneOf<T extends string>(name: ErrorField, words: readonly T[]): T | undefined {
    const value = this.#present(name);
    if (value === undefined) return undefined;
    return words.find((word) => word === value) ?? this.#refuse(name);
  }

  #columns(name: ErrorField): string | readonly string[] | undefined {
    const value = this.#present(name);
    if (value === undefined || typeof value === "string") return value;
    if (Array.isArray(value) && value.every((item) => typeof item === "string")) return value;
    return this.#refuse(name);
  }

  #textMap(name: ErrorField): ReadonlyMap<string, string> {
    const value = this.#present(name);
    if (value === undefined) return NO_PARAMS;
    const result = new Map<string, string>();
    const entries = entriesOf(value);
    if (!entries) this.#refuse(name);
    for (const [key, item] of entries ?? []) {
      if (typeof item === "string") result.set(key, item);
      else this.#refuse(name);
    }
    return result;
  }

  #present(name: string): unknown {
    const value = this.#params.get(name);
    if (value === null || (typeof value === "string" && value.trim() === "")) return undefined;
    return value;
  }

  #refuse(field: ErrorField): undefined {
    this.errors[field] = [FIELD_ERROR.invalid];
    this.hasErrors = true;
    return undefined;
  }
}

/** The entries of a query's map or of a JSON object; undefined for anything else. */
function entriesOf(value: unknown): Iterable<readonly [string, unknown]> | undefined {
  if (value instanceof Map) return value;
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  return Object.entries(value);
}
