import { deepStrictEqual as deepEqual, strictEqual as equal, throws } from "node:assert/strict";
import fc from "fast-check";
import { parseColumnList, parseIdentifier, parseTableName } from "../../shapes/identifier.ts";
import { check, identifierText } from "../support/arbitrary.ts";

const refuses = (parse: (text: string) => unknown, text: string, message: string) =>
  throws(() => parse(text), { name: "IdentifierError", message }, text);

Deno.test("parseTableName() takes public for a table without schema", () => {
  deepEqual(parseTableName("items"), { schema: "public", name: "items" });
});

Deno.test("parseTableName() splits at the dot that is outside quotes", () => {
  deepEqual(parseTableName('"my.schema"."a.b""c/d"'), { schema: "my.schema", name: 'a.b"c/d' });
  deepEqual(parseTableName('Other."Items"'), { schema: "other", name: "Items" });
});

Deno.test("parseTableName() refuses more than one dot", () => {
  const message = "Invalid relation identifier, too many delimiters: a.b.c";
  refuses(parseTableName, "a.b.c", message);
});

Deno.test("parseTableName() refuses an empty part", () => {
  for (const text of ["", ".a", "a.", '"".a', 'a.""']) {
    refuses(parseTableName, text, "Invalid zero-length delimited identifier");
  }
});

Deno.test("parseIdentifier() lowers only ASCII letters of unquoted names", () => {
  equal(parseIdentifier("ÉcoleABC$1"), "Écoleabc$1");
  equal(parseIdentifier('"ÉcoleABC"'), "ÉcoleABC");
  equal(parseIdentifier("_X"), "_x");
});

Deno.test("parseIdentifier() refuses special characters outside quotes", () => {
  for (const text of [" a", "a ", "1a", "a-b", '"', 'a"', '"a', "$a", "a;b", "a\n"]) {
    const message = `Invalid unquoted identifier contains special characters: ${text}`;
    refuses(parseIdentifier, text, message);
  }
});

Deno.test("parseIdentifier() refuses a lone quote within quotes", () => {
  refuses(parseIdentifier, '"a"b"', 'Invalid identifier with unescaped quote: a"b');
  refuses(parseIdentifier, '"a"""b"', 'Invalid identifier with unescaped quote: a"""b');
  refuses(parseIdentifier, '"""', 'Invalid identifier with unescaped quote: "');
});

Deno.test("parseIdentifier() measures the length in characters after unquoting", () => {
  equal(parseIdentifier(`"${'""'.repeat(63)}"`), '"'.repeat(63));
  equal(parseIdentifier("é".repeat(63)), "é".repeat(63));
  equal(parseIdentifier(`"${"🚀".repeat(63)}"`), "🚀".repeat(63));
  refuses(parseIdentifier, "a".repeat(64), "Identifier is too long (max length is 63)");
  refuses(parseIdentifier, `"${"a".repeat(64)}"`, "Identifier is too long (max length is 63)");
});

Deno.test("parseColumnList() keeps commas that are within quotes", () => {
  deepEqual(parseColumnList('id,"a,b",N'), ["id", "a,b", "n"]);
  refuses(parseColumnList, "id,,n", "Invalid zero-length delimited identifier");
  refuses(parseColumnList, "id, n", "Invalid unquoted identifier contains special characters:  n");
});

Deno.test("parseIdentifier() gives back any name that is quoted as SQL does", () => {
  const quote = (name: string) => `"${name.replaceAll('"', '""')}"`;
  check(fc.property(identifierText, identifierText, (schema, name) => {
    equal(parseIdentifier(quote(name)), name);
    deepEqual(parseTableName(`${quote(schema)}.${quote(name)}`), { schema, name });
    deepEqual(parseColumnList(`${quote(schema)},${quote(name)}`), [schema, name]);
  }));
});
