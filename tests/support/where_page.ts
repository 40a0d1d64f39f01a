/** The page docs/WHERE.md, made from the tables that the filter language itself is made from. */

import { nativeCasts } from "../../shapes/where/casts.ts";
import {
  builtinNames,
  functionsNamed,
  operatorsNamed,
  type Signature,
} from "../../shapes/where/catalog/signature.ts";
import { isSettled } from "../../shapes/where/catalog/stability.ts";
import { nativeOperators } from "../../shapes/where/operators/catalog.ts";
import { nativeFunctions } from "../../shapes/where/operators/functions.ts";
import type { PgType } from "../../shapes/where/types/type.ts";

const INTRODUCTION = `# The filter language

<!-- Made by \`deno task docs\`; do not edit. -->

A shape's \`where\` is a boolean expression over one row, in Postgres' own grammar and with its
meaning: three-valued logic, overload resolution, collations, time zones. Rows of a snapshot are
chosen by Postgres. Changed rows are judged in one of two places:

- **here**, in JavaScript, where that gives exactly what Postgres gives;
- **in Postgres**, for everything else that is immutable: the smallest boolean parts of the filter
  that need it, for all changed rows of a batch together. AND, OR and NOT above them stay here.

A filter that only uses what is evaluated here costs no round trip. Both ways are compared with live
servers, cell by cell, by \`tests/pg/where_test.ts\`.

Sessions have \`TimeZone=UTC\`, \`DateStyle=ISO, DMY\`, \`IntervalStyle=iso_8601\`, \`bytea_output=hex\`
and \`extra_float_digits=1\`. What depends on these alone counts as immutable: comparisons of
\`timestamptz\` with \`date\` and \`timestamp\`, \`timestamptz ± interval\`, \`extract\`, \`date_part\`,
\`date_trunc\`, conversions among dates, times and timestamps, \`concat\`, \`concat_ws\`, \`format\`,
\`array_to_string\`, and texts of dates and times.

## Syntax

| syntax | evaluated |
|---|---|
| \`AND OR NOT\` | here |
| \`IS [NOT] NULL\`, \`IS [NOT] TRUE / FALSE / UNKNOWN\`, \`IS [NOT] DISTINCT FROM\` | here, unless an operand may raise an error |
| \`BETWEEN [SYMMETRIC]\`, \`IN (…)\`, \`op ANY / ALL (array)\`, rows \`(a, b) = (1, 2)\` | as the comparison in it |
| \`COALESCE\`, \`GREATEST\`, \`LEAST\` | here, unless an operand may raise an error or has no order here |
| \`ARRAY[…]\` of constants, \`'{…}'\` of one dimension | here |
| \`ARRAY[…]\` of columns, several dimensions, subscripts, slices, \`jsonb\` subscripts | in Postgres |
| \`CASE\`, \`NULLIF\`, \`COLLATE\`, \`(a, b) < (1, 2)\`, \`(composite).field::type\` | in Postgres |
| \`LIKE … ESCAPE\`, \`SIMILAR TO\`, \`~ ~* !~ !~*\` | in Postgres |
| \`EXTRACT\`, \`AT TIME ZONE\`, \`SUBSTRING\`, \`TRIM\`, \`POSITION\`, \`OVERLAY\`, \`OVERLAPS\`, \`IS NORMALIZED\` | in Postgres |
| casts with a length or precision, such as \`numeric(10,2)\` | in Postgres |
| subqueries, aggregates, window and set-returning functions, \`VARIADIC\`, named arguments | refused |
| \`now()\`, \`random()\`, \`current_date\` and whatever else is not immutable | refused |
| functions and operators of your own or of extensions other than \`citext\` | refused |

Text is compared here for equality in any deterministic collation, for order only where the
collation orders by bytes (\`C\`, \`POSIX\`, \`C.UTF-8\`). \`ILIKE\` and comparisons of \`lower(…)\` with a constant
are evaluated here if no collation can differ about the constant's letters, or if the collation is
known to fold them as the C library does.

A value for which Postgres raises an error (division by zero, a text that is no number) makes its
condition unknown: unless the rest of the filter selects the row, it is left out. In a snapshot the
error refuses the shape (400).
`;

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), `|${head.map(() => "---").join("|")}|`, ...rows.map(line)].join("\n");
}

function code(text: string): string {
  return `\`${text}\``;
}

function typesOf({ types }: { types: readonly PgType[] }): string {
  return types.map(({ name }) => name).join(", ");
}

function isUsable(signature: Signature): boolean {
  return isSettled(signature, signature.types);
}

function operatorRows(): string[][] {
  const here = Map.groupBy(
    [
      ...nativeOperators().map(({ name, left, right }) => ({ name, types: [left, right] })),
      ...nativeFunctions().filter(({ isOperator }) => isOperator),
    ],
    ({ name }) => name,
  );
  return builtinNames().operators.map((name) => {
    const own = (here.get(name) ?? []).map(typesOf), known = new Set(own);
    const others = operatorsNamed(name).filter(isUsable).map(typesOf).filter((types) =>
      !known.has(types)
    );
    return [code(name), list(own), list(others)];
  });
}

function list(texts: readonly string[]): string {
  return texts.length === 0 ? "" : texts.map((text) => `(${text})`).join(" ");
}

function functionList(): string {
  const here = new Set(nativeFunctions().map(({ name }) => name));
  const names = builtinNames().functions.filter((name) =>
    !here.has(name) && functionsNamed(name).some(isUsable)
  );
  return names.map(code).join(" ");
}

function castRows(): string[][] {
  const byType = Map.groupBy(nativeCasts(), ({ from }) => from.name);
  return [...byType].map(([from, casts]) => [
    code(from),
    casts.map(({ to }) => code(to.name)).join(" "),
  ]);
}

export function formatWherePage(): string {
  const functions = nativeFunctions().filter(({ isOperator }) => !isOperator);
  const here = functions.map((fn) => code(`${fn.name}(${typesOf(fn)})`)).join(" ");
  return [
    INTRODUCTION,
    "## Operators\n",
    "Besides these, `=` and `<>` of enums and `= <> @> <@ &&` of arrays whose elements are understood here\nare evaluated here.\n",
    table(["operator", "here", "in Postgres"], operatorRows()),
    "\n## Casts\n",
    "Evaluated here; enums to `text` too. All other immutable casts are evaluated in Postgres.\n",
    table(["from", "to"], castRows()),
    "\n## Functions\n",
    `Evaluated here: ${here}.\n`,
    "Evaluated in Postgres (a function may have overloads that are not immutable; those are refused):\n",
    functionList(),
    "",
  ].join("\n");
}
