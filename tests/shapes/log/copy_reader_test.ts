import { deepStrictEqual as deepEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { readCopyRows } from "../../../shapes/log/copy_reader.ts";
import { cell, check, copyText } from "../../support/arbitrary.ts";

function read(text: string | Uint8Array, columns: number): (string | null)[][] {
  const rows: (string | null)[][] = [];
  const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
  readCopyRows(bytes, columns, (row) => {
    rows.push(Array.from({ length: columns }, (_, i) => row.isNull(i) ? null : row.text(i)));
  });
  return rows;
}

Deno.test("readCopyRows() reads fields, NULLs, empty texts and escapes", () => {
  deepEqual(read("1\tone\n2\t\\N\n\t\n", 2), [["1", "one"], ["2", null], ["", ""]]);
  deepEqual(read("a\\tb\\nc\\rd\\\\e\\bf\\fg\\vh\n", 1), [["a\tb\nc\rd\\e\bf\fg\vh"]]);
  deepEqual(read("", 3), []);
});

Deno.test("readCopyRows() takes for NULL only what is nothing but \\N", () => {
  deepEqual(read("\\N\t\\\\N\tx\\N\tN\n", 4), [[null, "\\N", "xN", "N"]]);
});

Deno.test("readCopyRows() reads what COPY's escaping writes, whatever the texts", () => {
  const rows = fc.integer({ min: 1, max: 4 }).chain((columns) =>
    fc.array(fc.array(cell, { minLength: columns, maxLength: columns }), { maxLength: 6 })
  );
  check(
    fc.property(rows, (rows) => {
      deepEqual(read(copyText(rows), rows[0]?.length ?? 1), rows);
    }),
    500,
  );
});

Deno.test("readCopyRows() refuses a row of too few or too many fields", () => {
  throws(() => read("1\n", 2), { name: "RangeError", message: "Expected 2 fields, got 1" });
  throws(() => read("1\t2\t3\n", 2), { name: "RangeError", message: "Expected 2 fields, got 3" });
});

Deno.test("readCopyRows() refuses text that is cut anywhere within a row", () => {
  const whole = copyText([["1", "a\tb", null, ""], ["", "é", "x", "\\"]]);
  const rowEnds = new Set([0, whole.indexOf(0x0a) + 1, whole.length]);
  for (let length = 0; length <= whole.length; length++) {
    const part = whole.slice(0, length);
    if (rowEnds.has(length)) read(part, 4);
    else throws(() => read(part, 4), RangeError, `cut at ${length}`);
  }
});
