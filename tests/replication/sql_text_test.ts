import assert from "node:assert/strict";
import { quoteIdent, quoteLiteral, quoteTable } from "../../replication/sql_text.ts";

Deno.test("quoteIdent() delimits names and doubles their quotes", () => {
  assert.equal(quoteIdent("plain"), `"plain"`);
  assert.equal(quoteIdent(`a"b.c'\\`), `"a""b.c'\\"`);
});

Deno.test("quoteTable() quotes each part", () => {
  assert.equal(quoteTable({ schema: "a.b", name: `c"` }), `"a.b"."c"""`);
});

Deno.test("quoteLiteral() doubles quotes and escapes backslashes", () => {
  assert.equal(quoteLiteral("it's"), "'it''s'");
  assert.equal(quoteLiteral(`\\'; DROP`), ` E'\\\\''; DROP'`);
});

Deno.test("quoteIdent() and quoteLiteral() refuse a NUL", () => {
  assert.throws(() => quoteIdent("a\0"), RangeError);
  assert.throws(() => quoteLiteral("\0"), RangeError);
});
