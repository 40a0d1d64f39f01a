import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { parseQuery, type QueryValue } from "../../server/query.ts";

/** Maps as plain objects, to compare with. */
function plain(value: QueryValue | undefined): unknown {
  if (value instanceof Map) {
    return Object.fromEntries([...value].map(([key, item]) => [key, plain(item)]));
  }
  return Array.isArray(value) ? value.map(plain) : value;
}

const READ: [string, unknown][] = [
  ["", {}],
  ["a=1&b=2", { a: "1", b: "2" }],
  ["a=1&a=2", { a: "2" }],
  ["a", { a: "" }],
  ["a=", { a: "" }],
  ["a=b=c", { a: "b=c" }],
  ["&&a=1&", { a: "1" }],
  ["a=x+y%2Bz", { a: "x y+z" }],
  ["a+b=1", { "a b": "1" }],
  ["a=%C3%A9", { a: "\u00e9" }],
  ["a[b]=c", { a: { b: "c" } }],
  ["a%5Bb%5D=c", { a: { b: "c" } }],
  ["a[1]=x&a[2]=y", { a: { 1: "x", 2: "y" } }],
  ["a[1]=x&a[1]=y", { a: { 1: "y" } }],
  ["a[]=x&a[]=y", { a: ["x", "y"] }],
  ["a[1][x]=1", { a: { 1: { x: "1" } } }],
  ["a[b][]=1&a[b][]=2", { a: { b: ["1", "2"] } }],
  ["a[][b]=1", { a: [{ b: "1" }] }],
  ["a=1&a[b]=2", { a: { b: "2" } }],
  ["a[b]=2&a=1", { a: "1" }],
  ["a[]=1&a[b]=2", { a: { b: "2" } }],
  ["a[b=1", { "a[b": "1" }],
  ["[a]=1", { "[a]": "1" }],
  ["a[b]c=1", { "a[b]c": "1" }],
  ["__proto__[x]=1", JSON.parse(`{"__proto__":{"x":"1"}}`)],
];

for (const [query, expected] of READ) {
  Deno.test(`parseQuery() reads "${query}"`, () => {
    const read = parseQuery(query);
    deepEqual(JSON.stringify(plain(read)), JSON.stringify(expected));
  });
}

for (const query of ["a=%", "a=%4", "a=%zz", "%zz=1", "a=%ff", "a=%C3%28", "a=%ED%A0%80"]) {
  Deno.test(`parseQuery() refuses "${query}"`, () => equal(parseQuery(query), undefined));
}
