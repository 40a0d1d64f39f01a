/**
 * Compiles an expression to closures over rows. SQL's three values are true, false and null. Where
 * Postgres would raise an error (a number too large for a float), the answer is null: such a row is
 * not selected here, and the snapshot query fails there.
 */

import { elementsOf } from "./array_literal.ts";
import { columnOperation } from "./evaluate_column.ts";
import type { Choice, Expr, Member, Operation, Quantified } from "./expr.ts";
import type { BoundOperator, Operator } from "./operators/operator.ts";
import { type PgType, textOf, type Value } from "./types/type.ts";
import type { Row } from "../row.ts";
import type { Predicate, Truth } from "./where.ts";

/** A value of a row, or null for NULL. */
type Scalar = (row: Row) => Value | null;

/**
 * The filter as a function. `indexOf` gives a column's place in the rows; throws `RangeError` if it
 * has none (-1). `external` gives the predicate of a condition that Postgres evaluates; without it
 * such a filter is a `TypeError`. The function throws `RangeError` for texts that no type prints,
 * which means that the session's settings are wrong.
 */
export function compileWhere(
  expr: Expr,
  indexOf: (column: string) => number,
  external: (sql: string) => Predicate = refuseExternal,
): Predicate {
  return new Compiler(indexOf, external).truth(expr);
}

function refuseExternal(sql: string): never {
  throw new TypeError(`Condition "${sql}" is evaluated by Postgres only`);
}

/** Place of a column in the rows. Throws `RangeError` if it has none. */
export function placeOf(column: string, indexOf: (column: string) => number): number {
  const index = indexOf(column);
  if (!(index >= 0)) throw new RangeError(`Column "${column}" is not in the rows`);
  return index;
}

class Compiler {
  readonly #indexOf: (column: string) => number;
  readonly #external: (sql: string) => Predicate;

  constructor(indexOf: (column: string) => number, external: (sql: string) => Predicate) {
    this.#external = external;
    this.#indexOf = (column) => placeOf(column, indexOf);
  }

  truth(expr: Expr): Predicate {
    switch (expr.kind) {
      case "and":
        return compileAnd(expr.operands.map((operand) => this.truth(operand)));
      case "or":
        return compileOr(expr.operands.map((operand) => this.truth(operand)));
      case "not": {
        const operand = this.truth(expr.operand);
        return (row) => {
          const truth = operand(row);
          return truth === null ? null : !truth;
        };
      }
      case "isTruth": {
        const operand = this.truth(expr.operand), { truth, isNot } = expr;
        return (row) => (operand(row) === truth) !== isNot;
      }
      case "isNull":
        return this.#isNull(expr.operand, expr.isNot);
      case "external":
        return this.#external(expr.sql);
      case "operation": {
        const shortcut = columnOperation(expr, this.#indexOf);
        if (shortcut) return shortcut;
        const scalar = this.#operation(expr);
        return (row) => truthOf(scalar(row));
      }
      case "distinct":
        return this.#distinct(expr.operator, expr.left, expr.right, expr.isNot);
      case "quantified":
        return this.#quantified(expr);
      case "member":
        return this.#member(expr);
      case "constant":
      case "column":
      case "call":
      case "choice":
      case "cast": {
        const scalar = this.#scalar(expr);
        return (row) => truthOf(scalar(row));
      }
    }
  }

  #scalar(expr: Expr): Scalar {
    switch (expr.kind) {
      case "constant": {
        const { value } = expr;
        return () => value;
      }
      case "column":
        return readColumn(this.#indexOf(expr.name), expr.type);
      case "cast": {
        const operand = this.#scalar(expr.operand), { cast } = expr;
        return (row) => {
          const value = operand(row);
          return value === null ? null : cast.apply(value) ?? null;
        };
      }
      case "operation":
        return this.#operation(expr);
      case "call": {
        const { fn } = expr, operand = this.#scalar(expr.operands[0]);
        return (row) => {
          const value = operand(row);
          return value === null ? null : fn.apply(value) ?? null;
        };
      }
      case "choice":
        return this.#choice(expr);
      default:
        return this.truth(expr);
    }
  }

  #operation({ operator, left, right }: Operation): Scalar {
    const first = this.#scalar(left);
    if (right.kind === "constant" && right.value !== null) {
      const bound = bindRight(operator, right.value);
      return (row) => {
        const a = first(row);
        return a === null ? null : bound.apply(a) ?? null;
      };
    }
    const second = this.#scalar(right);
    return (row) => {
      const a = first(row);
      if (a === null) return null;
      const b = second(row);
      return b === null ? null : operator.apply(a, b) ?? null;
    };
  }

  #choice({ name, type, operands }: Choice): Scalar {
    const scalars = operands.map((operand) => this.#scalar(operand));
    const sign = name === "GREATEST" ? 1 : -1;
    return (row) => {
      let chosen: Value | null = null;
      for (const scalar of scalars) {
        const value = scalar(row);
        if (value === null) continue;
        if (name === "COALESCE") return value;
        if (chosen === null || type.compare(value, chosen) * sign > 0) chosen = value;
      }
      return chosen;
    };
  }

  #isNull(operand: Expr, isNot: boolean): Predicate {
    if (operand.kind === "column") {
      const index = this.#indexOf(operand.name);
      return (row) => row.lengths[index] < 0 !== isNot;
    }
    const scalar = this.#scalar(operand);
    return (row) => (scalar(row) === null) !== isNot;
  }

  #distinct(operator: Operator, leftExpr: Expr, rightExpr: Expr, isNot: boolean): Predicate {
    const left = this.#scalar(leftExpr), right = this.#scalar(rightExpr);
    return (row) => {
      const a = left(row), b = right(row);
      const isSame = a === null || b === null ? a === b : operator.apply(a, b) === true;
      return isSame === isNot;
    };
  }

  #member({ operator, isAll, left, array }: Member): Predicate {
    const scalar = this.#scalar(left), texts = this.#scalar(array), element = operator.right;
    return (row) => {
      const text = texts(row);
      if (typeof text !== "string") return null;
      const parts = elementsOf(text);
      if (parts.length === 0) return isAll;
      const value = scalar(row);
      if (value === null) return null;
      const values = parts.filter((part) => part !== null).map((part) => element.decode(part));
      const rest = values.length < parts.length ? null : isAll;
      return applyAll(values.map((each) => bindRight(operator, each)), value, isAll, rest);
    };
  }

  #quantified({ operator, isAll, left, elements }: Quantified): Predicate {
    if (elements.length === 0) return () => isAll;
    const scalar = this.#scalar(left), values = elements.filter((value) => value !== null);
    const rest = values.length < elements.length ? null : isAll;
    const isMember = operator.comparison === (isAll ? "<>" : "=");
    if (isMember && sharesKeys(operator)) {
      const keys = new Set(values.map((value) => operator.right.key(value)));
      return (row) => {
        const value = scalar(row);
        return value === null ? null : keys.has(operator.left.key(value)) ? !isAll : rest;
      };
    }
    const bound = values.map((value) => bindRight(operator, value));
    return (row) => {
      const value = scalar(row);
      return value === null ? null : applyAll(bound, value, isAll, rest);
    };
  }
}

/** Whether both sides map equal values to the same key. */
export function sharesKeys(operator: Operator): boolean {
  return operator.isTextEquality || operator.left.name === operator.right.name;
}

function bindRight(operator: Operator, right: Value): BoundOperator {
  return operator.bindRight?.(right) ??
    { apply: (left) => operator.apply(left, right) };
}

function applyAll(
  operators: readonly BoundOperator[],
  value: Value,
  isAll: boolean,
  rest: Truth,
): Truth {
  for (const operator of operators) {
    const truth = truthOf(operator.apply(value));
    if (truth === null) rest = null;
    else if (truth !== isAll) return truth;
  }
  return rest;
}

function truthOf(value: Value | null | undefined): Truth {
  return typeof value === "boolean" ? value : null;
}

function readColumn(index: number, type: PgType): Scalar {
  if (type.decodeBytes) {
    const decodeBytes = type.decodeBytes.bind(type);
    return (row) => {
      const length = row.lengths[index];
      return length < 0 ? null : decodeBytes(row.bytes, row.starts[index], length);
    };
  }
  return (row) => {
    const length = row.lengths[index];
    return length < 0 ? null : type.decode(textOf(row.bytes, row.starts[index], length));
  };
}

function compileAnd(operands: readonly Predicate[]): Predicate {
  return (row) => {
    let all: Truth = true;
    for (let i = 0; i < operands.length; i++) {
      const truth = operands[i](row);
      if (truth === false) return false;
      if (truth === null) all = null;
    }
    return all;
  };
}

function compileOr(operands: readonly Predicate[]): Predicate {
  return (row) => {
    let any: Truth = false;
    for (let i = 0; i < operands.length; i++) {
      const truth = operands[i](row);
      if (truth === true) return true;
      if (truth === null) any = null;
    }
    return any;
  };
}
