/** The filter language against Postgres itself: same clause, same rows, all three truth values. */

import assert from "node:assert/strict";
import fc from "fast-check";
import type postgres from "postgres";
import { InvalidRequestError } from "../../shapes/errors.ts";
import { compileWhere } from "../../shapes/where/evaluate.ts";
import { lowerCase } from "../../shapes/where/like.ts";
import { parseWhere } from "../../shapes/where/parse.ts";
import { typeByName } from "../../shapes/where/types/catalog.ts";
import { arbitraryExpression } from "./where_arbitrary.ts";
import { clausesOf, MIXED_CLAUSES, quote, TYPE_CASES, type TypeCase } from "./where_cells.ts";
import {
  askPostgres,
  compare,
  makeWorld,
  parse,
  withDatabase,
  type World,
} from "./where_compare.ts";
import { EXPRESSION_GROUPS, expressionsOf } from "./where_expressions.ts";

function caseColumn({ sqlType, typeName, columnFields }: TypeCase, name: string) {
  return { name, sqlType, typeName, baseTypeName: typeName, ...columnFields };
}

function caseRows({ values }: TypeCase): (string | null)[][] {
  const all = [...values, null];
  return all.flatMap((a, i) => [0, 1, 2].map((step) => [a, all[(i + step) % all.length]]));
}

/** One column of each type, rows that take every value of it. */
async function mixedWorld(sql: postgres.Sql): Promise<World> {
  const cases = TYPE_CASES.filter(({ typeName }, i) =>
    TYPE_CASES.findIndex((other) => other.typeName === typeName) === i
  );
  // A value that fits no smaller type would make Postgres raise an error in comparisons with it.
  const values = cases.map((each) =>
    [...each.values, null].filter((value) => value === null || !/e38|^5874897/.test(value))
  );
  const rows = Array.from(
    { length: 40 },
    (_, i) => values.map((all, j) => all[(i * (j + 1)) % all.length]),
  );
  const columns = cases.map((each) => caseColumn(each, `c_${each.typeName}`));
  return await makeWorld(sql, "w_mixed", columns, rows);
}

Deno.test("comparisons of every type agree with Postgres cell by cell", async () => {
  await withDatabase(async (sql) => {
    let cells = 0;
    for (const [i, each] of TYPE_CASES.entries()) {
      const columns = [caseColumn(each, "a"), caseColumn(each, "b")];
      const world = await makeWorld(sql, `w_${i}`, columns, caseRows(each));
      cells += (await compare(world, clausesOf(each))).cells;
    }
    console.log(`${cells} cells compared`);
    assert(cells > 20_000, `${cells} cells`);
  });
});

Deno.test("comparisons between types agree with Postgres cell by cell", async () => {
  await withDatabase(async (sql) => {
    const world = await mixedWorld(sql), { cells } = await compare(world, MIXED_CLAUSES);
    console.log(`${cells} cells compared`);
    assert.equal(cells, MIXED_CLAUSES.length * world.rows.length);
  });
});

Deno.test("operators and functions of every family agree with Postgres cell by cell", async () => {
  await withDatabase(async (sql) => {
    const total = { cells: 0, here: 0 };
    for (const group of EXPRESSION_GROUPS) {
      const { name, columns, rows } = group, clauses = expressionsOf(group);
      const world = await makeWorld(sql, `e_${name}`, columns, rows);
      const { cells, here } = await compare(world, clauses);
      await compare(world, clauses, { facts: {} });
      console.log(`${name}: ${clauses.length} expressions, ${cells} cells (${here} here)`);
      total.cells += cells;
      total.here += here;
    }
    assert(total.cells > 8_000 && total.here > 1_000, JSON.stringify(total));
  });
});

/** Clauses of any depth over the mixed table. */
function arbitraryClause(): fc.Arbitrary<string> {
  const atoms = TYPE_CASES.flatMap((each) => {
    const name = `c_${each.typeName}`, [a, b] = [each.values[0], each.values[1]].map(quote);
    const atom = each.operators.flatMap((operator) => [
      `${name} ${operator} ${a}`,
      `${b} ${operator.includes("like") ? "<>" : operator} ${name}`,
    ]);
    return [...atom, `${name} is null`, `${name} in (${a}, ${b})`, `${name} is distinct from ${a}`];
  });
  const atom = fc.oneof(
    fc.constantFrom(...atoms),
    fc.constantFrom(...MIXED_CLAUSES),
    arbitraryExpression(),
  );
  const { clause } = fc.letrec<{ clause: string }>((tie) => {
    const sub = tie("clause").map((text) => `(${text})`);
    return {
      clause: fc.oneof(
        { maxDepth: 4, withCrossShrink: true },
        atom,
        fc.array(sub, { minLength: 2, maxLength: 4 }).map((all) => all.join(" and ")),
        fc.array(sub, { minLength: 2, maxLength: 4 }).map((all) => all.join(" or ")),
        sub.map((text) => `not ${text}`),
        fc.tuple(
          sub,
          fc.constantFrom("true", "not true", "false", "not false", "unknown", "not null"),
        )
          .map(([text, test]) => `${text} is ${test}`),
        fc.tuple(sub, fc.constantFrom("=", "<>", "<", ">="), sub).map((parts) => parts.join(" ")),
      ),
    };
  });
  return clause;
}

/** Constants that Postgres can't calculate with are refused at once, as is what would grow too much. */
function isRefused(world: World, clause: string): boolean {
  try {
    parse(world, clause);
    return false;
  } catch (error) {
    if (!(error instanceof InvalidRequestError)) throw error;
    const [message] = error.errors.where ?? [];
    assert.match(message, /^Failed to apply function to constant arg|nested too deeply$/, clause);
    return true;
  }
}

Deno.test("expressions of any shape agree with Postgres", async () => {
  const seed = Number(Deno.env.get("TEST_SEED") ?? Math.floor(Math.random() * 2 ** 31));
  await withDatabase(async (sql) => {
    const world = await mixedWorld(sql);
    const clauses = fc.sample(arbitraryClause(), { seed, numRuns: 600 }).filter((clause) =>
      !isRefused(world, clause)
    );
    const { cells, here } = await compare(world, clauses, { isLenient: true });
    console.log(`seed ${seed}: ${clauses.length} expressions, ${cells} cells (${here} here)`);
    assert.equal(cells, clauses.length * world.rows.length);
  });
});

Deno.test("a text constant is nothing but that text, whatever is in it", async () => {
  const seed = Number(Deno.env.get("TEST_SEED") ?? Math.floor(Math.random() * 2 ** 31));
  console.log(`seed ${seed}`);
  await withDatabase(async (sql) => {
    const texts = fc.sample(fc.oneof(fc.string({ unit: "binary" }), hostileText()), {
      seed,
      numRuns: 300,
    }).filter((text) => !text.includes("\0"));
    const columns = [{ name: "v", sqlType: "text" }];
    const world = await makeWorld(sql, "w_text", columns, texts.map((text) => [text]));
    for (const isConforming of ["on", "off"]) {
      await sql.unsafe(`SET standard_conforming_strings = ${isConforming}`);
      for (const text of texts) {
        const where = parseWhere("v = $1", new Map([["1", text]]), world.table);
        const [truths] = await askPostgres(world, [where.sql]);
        assert.deepEqual(truths, world.rows.map(compileWhere(where.expr, () => 1)));
        assert.deepEqual(truths, texts.map((other) => other === text), JSON.stringify(text));
      }
    }
  });
});

/** Pieces that end literals, comments or statements, in any order. */
function hostileText(): fc.Arbitrary<string> {
  const pieces = [
    "'",
    "\\",
    "''",
    "\\'",
    ";",
    "--",
    "/*",
    "*/",
    "$$",
    "E'",
    "$1",
    '"',
    "\n",
    " or true",
  ];
  return fc.array(fc.constantFrom(...pieces), { maxLength: 8 }).map((parts) => parts.join(""));
}

Deno.test("constants are read as Postgres reads them, or refused", async () => {
  const seed = Number(Deno.env.get("TEST_SEED") ?? Math.floor(Math.random() * 2 ** 31));
  await withDatabase(async (sql) => {
    let taken = 0, all = 0;
    for (const { typeName, values, constants } of TYPE_CASES) {
      const type = typeByName(typeName);
      if (!type || type.isForeign) continue;
      const base = fc.constantFrom(...values, ...constants);
      const edited = fc.tuple(
        base,
        fc.nat(30),
        fc.nat(2),
        fc.constantFrom("", ..."0123456789 -+:.eETZ{}aBC\\x"),
      )
        .map(([text, at, cut, put]) => text.slice(0, at) + put + text.slice(at + cut));
      for (const edit of fc.sample(edited, { seed, numRuns: 400 })) {
        const text = edit.toWellFormed();
        all++;
        const value = type.parse(text);
        if (value === undefined) continue;
        taken++;
        const [row] = await sql.unsafe(
          `SELECT ${quote(text)}::${type.sqlName} AS a, ${
            quote(type.format(value))
          }::${type.sqlName} AS b`,
        ).raw();
        const [a, b] = row.map(String);
        assert.equal(a, b, `${typeName}: ${JSON.stringify(text)}`);
        if (type.isTextUnique) {
          assert.equal(type.format(value), a, `${typeName}: ${JSON.stringify(text)}`);
        }
      }
    }
    console.log(`seed ${seed}: ${taken} of ${all} texts taken`);
    assert(taken > all / 4);
  });
});

Deno.test("constants that Postgres refuses are refused with the contract's words", async () => {
  await withDatabase(async (sql) => {
    const world = await mixedWorld(sql);
    for (const { typeName } of TYPE_CASES) {
      const text = "no such value at all, and too long for a label of an enum in Postgres";
      const type = typeByName(typeName);
      if (!type || type.isForeign || type.category === "S" || typeName === "bytea") continue;
      const clause = `c_${typeName} = ${quote(text)}`;
      await assert.rejects(sql.unsafe(`SELECT 1 FROM w_mixed WHERE ${clause}`));
      assert.throws(() => parse(world, clause), (error) => {
        assert(error instanceof InvalidRequestError);
        assert.match(error.errors.where?.[0] ?? "", /^At location \d+: invalid syntax for type/);
        return true;
      });
    }
  });
});

Deno.test("ILIKE folds every character that the C library knows", async () => {
  await withDatabase(async (sql) => {
    const rows = await sql<{ code: number; lower: string }[]>`
      SELECT code, lower(chr(code)) AS lower FROM generate_series(128, 66639) code
      WHERE code NOT BETWEEN 55296 AND 57343`;
    const different = rows.filter(({ code, lower }) =>
      lowerCase(String.fromCodePoint(code)) !== lower
    );
    // Letters younger than the C library's tables.
    assert(different.length < 40, different.map(({ code }) => code.toString(16)).join(" "));
    assert(different.every(({ code }) => code > 0x1c88));
  });
});
