/** Random boolean expressions over the columns of the mixed table, of typed parts. */

import fc from "fast-check";

/** Parts of one type: columns and constants, and what is made of parts. */
interface Parts {
  readonly number: string;
  readonly text: string;
  readonly truth: string;
}

const NUMBERS = ["c_int2", "c_int4", "c_int8", "c_float8", "c_numeric", "0", "1", "7", "1.5", "-3"];
const TEXTS = ["c_text", "c_varchar", "c_bpchar", "''", "'a'", "'É'", "'ab'::text", "c_int4::text"];

/** An expression of typed parts that are put together in any way that Postgres knows. */
export function arbitraryExpression(): fc.Arbitrary<string> {
  const { truth } = fc.letrec<{ [K in keyof Parts]: string }>((tie) => {
    const number = tie("number"), text = tie("text"), truth = tie("truth");
    const join = (...parts: (fc.Arbitrary<string> | string)[]) =>
      fc.tuple(...parts.map((part) => typeof part === "string" ? fc.constant(part) : part))
        .map((all) => all.join(""));
    const comparison = fc.constantFrom(" = ", " <> ", " < ", " >= ", " is distinct from ");
    return {
      number: fc.oneof(
        { maxDepth: 3, withCrossShrink: true },
        fc.constantFrom(...NUMBERS),
        join("(", number, fc.constantFrom(" + ", " - ", " * ", " / "), number, ")"),
        join("abs(", number, ")"),
        join("(- ", number, ")"),
        join("length(", text, ")"),
        join("coalesce(", number, ", ", number, ")"),
        join("greatest(", number, ", ", number, ")"),
        join("least(", number, ", ", number, ", 1)"),
        join("nullif(", number, ", ", number, ")"),
        join("(case when ", truth, " then ", number, " else ", number, " end)"),
      ),
      text: fc.oneof(
        { maxDepth: 3, withCrossShrink: true },
        fc.constantFrom(...TEXTS),
        join("(", text, " || ", text, ")"),
        join("lower(", text, ")"),
        join("left(", text, ", 2)"),
        join("coalesce(", text, ", ", text, ")"),
        join("least(", text, ", ", text, ")"),
        join("replace(", text, ", 'a', ", text, ")"),
        join("(case when ", truth, " then ", text, " end)"),
      ),
      truth: fc.oneof(
        { maxDepth: 3, withCrossShrink: true },
        join(number, comparison, number),
        join(text, comparison, text),
        join(
          text,
          fc.constantFrom(" like ", " not ilike "),
          fc.constantFrom("'a%'", "'%b'", "'_'"),
        ),
        join(number, " between ", number, " and ", number),
        join(number, " in (", number, ", 1, null)"),
        join(text, " in (", text, ", 'a', 'b')"),
        join(fc.oneof(number, text), fc.constantFrom(" is null", " is not null")),
        join("(", truth, ")", fc.constantFrom(" is true", " is not false", " is unknown")),
        join("coalesce(", truth, ", c_bool)"),
      ),
    };
  });
  return truth.map((text) => `(${text})`);
}
