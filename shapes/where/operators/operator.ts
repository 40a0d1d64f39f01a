import type { PgType, Value } from "../types/type.ts";

/** What an operator asks of the collation of its operands, to mean here what it means in Postgres. */
export type CollationNeed = "none" | "equality" | "order" | "case";

/** An overload of an operator that is done here. To add one, add an entry to its family's file. */
export interface Operator {
  readonly name: string;
  readonly left: PgType;
  readonly right: PgType;
  readonly result: PgType;
  readonly collation: CollationNeed;
  /** What Postgres evaluates has no entry here; see `External`. */
  readonly runsIn: "javascript";
  /** True if there are values for which Postgres raises an error. */
  readonly canFail: boolean;
  /**
   * For `=` and `<>`: whether operands are equal exactly if their output texts are the same bytes.
   * False for all others.
   */
  readonly isTextEquality: boolean;
  /** For the six comparisons; the order in which they compare. */
  readonly comparison: Comparison | undefined;
  /** Strict: called without NULLs. Undefined where Postgres raises an error. */
  apply(left: Value, right: Value): Value | undefined;
  /** The same with a right operand that stays: for operators that first make something of it. */
  bindRight?(right: Value): BoundOperator;
}

/** An operator with its right operand. */
export interface BoundOperator {
  apply(left: Value): Value | undefined;
}

export type Comparison = "=" | "<>" | "<" | "<=" | ">" | ">=";
