import assert from "node:assert/strict";
import { redact } from "../../cli/redact.ts";

Deno.test("redact() masks passwords wherever they stand", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["postgresql://u:p@h/db", "postgresql://u:***@h/db"],
    ["postgresql://u:p@ss/w@h/db?x=1", "postgresql://u:***@h/db?x=1"],
    ["see postgres://u:p@h and https://a:b@c/", "see postgres://u:***@h and https://a:***@c/"],
    ["postgresql://h/db?user=u&password=p&x=1", "postgresql://h/db?user=u&password=***&x=1"],
    ["/v1/shape?secret=s&table=t", "/v1/shape?secret=***&table=t"],
    ["/v1/shape?table=t&api_secret=s", "/v1/shape?table=t&api_secret=***"],
    ["host=h password=p", "host=h password=***"],
  ];
  for (const [text, masked] of cases) assert.equal(redact(text), masked);
});

Deno.test("redact() leaves other text alone", () => {
  const texts = ["", "a:b@c", "http://localhost:3000/v1/shape?table=t", "postgresql://u@h:5432/db"];
  for (const text of texts) assert.equal(redact(text), text);
});
