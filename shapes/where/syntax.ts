/**
 * Postgres' own grammar (libpg-query, compiled to WebAssembly): text in, raw parse tree out. Its
 * JSON leaves out fields that are zero, empty or false.
 */

import { hasSqlDetails, loadModule, parseSync, scanSync } from "libpg-query";
import { WhereError } from "./where_error.ts";

/** What stands before the text, so that the grammar takes it for a statement. */
const PREFIX = "SELECT 1 WHERE ";

/** `PgQuery`'s limit (WIRE.md 2.6). */
const TEXT_BYTES_MAX = 65_536;

/**
 * The parser's stack is small, and it does not survive an overflow: levels of nesting of which every
 * construct was seen to be parsed. A text of so many characters cannot nest deeper.
 */
const NESTING_MAX = 1000, SAFE_CHARS = 2000;

/** The fields of all the nodes that are looked at; each node has some of them. */
export interface RawBody {
  readonly kind?: string;
  readonly location?: number;
  readonly name?: readonly RawNode[];
  readonly lexpr?: RawNode;
  readonly rexpr?: RawNode;
  readonly fields?: readonly RawNode[];
  readonly boolop?: string;
  readonly args?: readonly RawNode[];
  readonly arg?: RawNode;
  readonly nulltesttype?: string;
  readonly booltesttype?: string;
  readonly number?: number;
  readonly elements?: readonly RawNode[];
  readonly items?: readonly RawNode[];
  readonly sval?: string | { readonly sval?: string };
  readonly ival?: number | { readonly ival?: number };
  readonly fval?: { readonly fval?: string };
  readonly boolval?: { readonly boolval?: boolean };
  readonly bsval?: unknown;
  readonly isnull?: boolean;
  readonly typeName?: RawTypeName;
  readonly funcname?: readonly RawNode[];
  readonly agg_star?: boolean;
  readonly agg_distinct?: boolean;
  readonly agg_within_group?: boolean;
  readonly agg_order?: readonly RawNode[];
  readonly agg_filter?: RawNode;
  readonly over?: unknown;
  readonly func_variadic?: boolean;
  readonly subLinkType?: string;
  readonly subselect?: RawNode;
  readonly targetList?: readonly RawNode[];
  readonly val?: RawNode;
  readonly whereClause?: RawNode;
  readonly op?: string;
  readonly collname?: readonly RawNode[];
  readonly defresult?: RawNode;
  readonly expr?: RawNode;
  readonly result?: RawNode;
  readonly indirection?: readonly RawNode[];
  readonly is_slice?: boolean;
  readonly lidx?: RawNode;
  readonly uidx?: RawNode;
}

export interface RawTypeName {
  readonly names?: readonly RawNode[];
  readonly typmods?: readonly RawNode[];
  readonly arrayBounds?: readonly RawNode[];
  readonly setof?: boolean;
  readonly location?: number;
}

/** One key: the node's name. */
export type RawNode = Readonly<Record<string, RawBody>>;

export function openNode(node: RawNode): { name: string; body: RawBody } {
  for (const name in node) return { name, body: node[name] };
  return { name: "Node", body: {} };
}

/** The text of a list of `String` nodes, such as a qualified name. */
export function stringsOf(nodes: readonly RawNode[] = []): string[] {
  return nodes.map((node) => String(node.String?.sval ?? ""));
}

/** A position in the parse tree as one in the author's own text; 0 where there is none. */
export function positionInText(location = 0): number {
  return Math.max(0, location - PREFIX.length);
}

/** Loads the parser. Once is enough; `parseSyntax` needs it. */
export async function loadSyntax(): Promise<void> {
  await loadModule();
}

/**
 * Parses the text as an expression. Throws `WhereError` with the parser's words, whose position
 * counts from the beginning of the wrapped text (WIRE.md 2.6).
 */
export function parseSyntax(text: string): RawNode {
  if (new TextEncoder().encode(text).length > TEXT_BYTES_MAX) {
    throw new WhereError(`filter is bigger than maximum size of ${TEXT_BYTES_MAX} bytes`);
  }
  // To the parser, which is written in C, the text would end there.
  const nul = text.indexOf("\0");
  if (nul >= 0) throw new WhereError("invalid byte 0x00", PREFIX.length + nul);
  if (text.length > SAFE_CHARS) refuseDeepNesting(text);
  const statements = parseStatements(PREFIX + text);
  if (statements.length !== 1) throw new WhereError('unescaped ";" causing statement split');
  return whereOf(statements[0]);
}

function parseStatements(sql: string): readonly { stmt?: RawNode }[] {
  try {
    return (parseSync(sql) as { stmts?: readonly { stmt?: RawNode }[] }).stmts ?? [];
  } catch (error) {
    if (!hasSqlDetails(error) || !error.sqlDetails) throw error;
    const { message, cursorPosition } = error.sqlDetails;
    throw new WhereError(message, bytesOf(sql, Math.max(0, cursorPosition)));
  }
}

/** The parser counts characters in its complaints, but bytes in its tree. */
function bytesOf(sql: string, characters: number): number {
  return new TextEncoder().encode([...sql].slice(0, characters).join("")).length;
}

const WHERE_ONLY = new Set(["targetList", "whereClause", "limitOption", "op"]);

function whereOf({ stmt }: { stmt?: RawNode }): RawNode {
  const select = stmt?.SelectStmt;
  const isPlain = select?.op === "SETOP_NONE" &&
    Object.keys(select).every((key) => WHERE_ONLY.has(key)) && select.whereClause;
  if (!isPlain) throw new WhereError("malformed query ending with SQL clauses");
  return isPlain;
}

const OPENING = new Set(["(", "[", "case"]), CLOSING = new Set([")", "]", "end"]);
const SEPARATING = new Set([",", "and", "or"]);

/** Counts, along every path of brackets, the tokens that may each nest one level deeper. */
function refuseDeepNesting(text: string): void {
  const open: number[] = [];
  let here = 0, above = 0;
  for (const token of scanSync(text).tokens) {
    const word = token.text.toLowerCase();
    if (OPENING.has(word)) {
      open.push(here);
      above += here + 1;
      here = 0;
    } else if (CLOSING.has(word)) {
      here = open.pop() ?? 0;
      above = Math.max(0, above - here - 1);
      here++;
    } else if (SEPARATING.has(word)) here = 0;
    else if (!/^["'\w$]/.test(word) || token.keywordKind > 0) here++;
    if (above + here > NESTING_MAX) throw new WhereError("filter is nested too deeply");
  }
}
