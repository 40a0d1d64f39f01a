/** What the rest of the domain knows of a filter. How it is parsed and evaluated is this folder's. */

import type { Row } from "../row.ts";

/** SQL's three values: true, false or unknown. Only true selects a row. */
export type Truth = boolean | null;

export type Predicate = (row: Row) => Truth;

/** A where clause, parsed, checked against a table and with its parameters put in. */
export interface Where {
  /**
   * Canonical SQL text: parameters as typed constants, spaces and capitals normalised. Part of the
   * shape's identity, and safe to embed in parentheses in a query on the table.
   */
  readonly sql: string;
  /** Names of the columns it looks at, each once. */
  readonly columns: readonly string[];
  /** SQL texts of the conditions in it that Postgres evaluates, each once; mostly none. */
  readonly externals: readonly string[];
  /** The typed expression, for the router to index. */
  readonly expr: import("./expr.ts").Expr;
}
