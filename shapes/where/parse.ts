/** From the text of a filter to a checked `Where`. */

import { InvalidRequestError } from "../errors.ts";
import type { Table } from "../table.ts";
import { checkFilter } from "./check.ts";
import { columnsOf, externalsOf } from "./expr.ts";
import type { Parameter } from "./operand.ts";
import { formatSql } from "./sql.ts";
import { loadSyntax, parseSyntax } from "./syntax.ts";
import type { Where } from "./where.ts";
import { WhereError } from "./where_error.ts";

export interface WhereOptions {
  /**
   * True if the database's default collation orders text by its bytes (C, POSIX, C.UTF-8). Without
   * it Postgres evaluates `<` and its kin on text, unless the column's own collation does so.
   */
  readonly isTextOrderBytewise?: boolean;
  /** Its name (`pg_database.datctype`), if it is one of the C library's. */
  readonly defaultCollation?: string;
}

/** Loads the SQL parser; `parseWhere` needs it. May be called again at no cost. */
export function loadParser(): Promise<void> {
  return loadSyntax();
}

/**
 * Parses a filter on a table, with the parameters' texts by their numbers. Throws
 * `InvalidRequestError` under `where` or `params`, in the words of WIRE.md 2.2 and 2.6.
 */
export function parseWhere(
  text: string,
  params: ReadonlyMap<string, string>,
  table: Table,
  options: WhereOptions = {},
): Where {
  const parameters = numberParameters(params);
  try {
    const node = parseSyntax(text.toWellFormed());
    const { isTextOrderBytewise = false, defaultCollation } = options;
    const expr = checkFilter({ table, isTextOrderBytewise, defaultCollation, parameters }, node);
    const externals = externalsOf(expr);
    return { sql: formatSql(expr), columns: columnsOf(expr), externals, expr };
  } catch (error) {
    if (error instanceof WhereError) throw new InvalidRequestError({ where: [error.message] });
    throw error;
  }
}

function numberParameters(params: ReadonlyMap<string, string>): Map<number, Parameter> {
  const parameters = new Map<number, Parameter>();
  for (const [key, text] of params) {
    if (!/^[+-]?\d+$/.test(key)) {
      throw new InvalidRequestError({ params: ["Parameters can only use numbers as keys"] });
    }
    const number = Number(key);
    parameters.set(number, { number, text: text.toWellFormed(), type: undefined });
  }
  for (let number = 1; number <= params.size; number++) {
    if (!parameters.has(number)) {
      const message = "Parameters must be numbered sequentially, starting from 1";
      throw new InvalidRequestError({ params: [message] });
    }
  }
  return parameters;
}
