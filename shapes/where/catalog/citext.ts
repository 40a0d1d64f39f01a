/** What the extension `citext` adds (citext--1.4.sql). All of it runs in Postgres. */

import { BOOL } from "../types/boolean.ts";
import { INT4 } from "../types/integer.ts";
import { TEXT } from "../types/text.ts";
import { arrayOf } from "../types/array.ts";
import type { PgType } from "../types/type.ts";
import type { Signature } from "./signature.ts";

const COMPARISONS = new Set(["=", "<>", "<", "<=", ">", ">="]);
const PATTERNS = new Set(["~", "!~", "~*", "!~*", "~~", "!~~", "~~*", "!~~*"]);

/** The schema that its type is in. */
function schemaOf(citext: PgType): string {
  return citext.sqlName.slice(1, -'"."citext"'.length).replaceAll('""', '"');
}

function overload(citext: PgType, name: string, types: PgType[], result: PgType): Signature {
  return {
    name,
    schema: schemaOf(citext),
    types,
    result,
    volatility: "immutable",
    isVariadic: false,
  };
}

export function citextOperators(name: string, citext: PgType): Signature[] {
  const entry = (right: PgType) => overload(citext, name, [citext, right], BOOL);
  if (COMPARISONS.has(name)) return [entry(citext)];
  return PATTERNS.has(name) ? [entry(citext), entry(TEXT)] : [];
}

export function citextFunctions(name: string, citext: PgType): Signature[] {
  const entry = (result: PgType, ...types: PgType[]) => overload(citext, name, types, result);
  switch (name) {
    case "regexp_match":
    case "regexp_split_to_array": {
      const result = arrayOf(TEXT);
      return [entry(result, citext, citext), entry(result, citext, citext, TEXT)];
    }
    case "regexp_replace":
      return [entry(TEXT, citext, citext, TEXT), entry(TEXT, citext, citext, TEXT, TEXT)];
    case "replace":
      return [entry(TEXT, citext, citext, citext)];
    case "split_part":
      return [entry(TEXT, citext, citext, INT4)];
    case "strpos":
      return [entry(INT4, citext, citext)];
    case "translate":
      return [entry(TEXT, citext, citext, TEXT)];
    default:
      return [];
  }
}
