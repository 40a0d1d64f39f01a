/** Shapes with conditions that only Postgres evaluates, which here is a script. */

import assert from "node:assert/strict";
import type { StreamEvent } from "../../shapes/change.ts";
import {
  type EvaluationRequest,
  IS_ERROR,
  IS_FALSE,
  IS_TRUE,
  IS_UNKNOWN,
} from "../../shapes/ports.ts";
import type { Row } from "../../shapes/row.ts";
import { rowOfTexts } from "../../shapes/row.ts";
import type { Shape } from "../../shapes/shape.ts";
import { conjunction, type Expr } from "../../shapes/where/expr.ts";
import { loadParser, parseWhere } from "../../shapes/where/parse.ts";
import { formatSql } from "../../shapes/where/sql.ts";
import { BOOL } from "../../shapes/where/types/boolean.ts";
import type { Where } from "../../shapes/where/where.ts";
import {
  begin,
  Changes,
  commit,
  IngestWorld,
  logItems,
  RULES,
  summary,
  transaction,
} from "../support/ingest_world.ts";
import { EMPTY_VISIBILITY, ScriptedSource } from "../support/scripted_source.ts";
import { relation, table } from "../support/shape_fixture.ts";

await loadParser();

const TABLE = table();
const STARTS_WITH_A = `"v" ~ '^a'`, ENDS_WITH_Z = `"v" ~ 'z$'`;

function external(sql: string, columns: readonly string[] = ["v"]): Expr {
  return { kind: "external", type: BOOL, sql, columns };
}

function native(clause: string): Expr {
  return parseWhere(clause, new Map(), TABLE, RULES).expr;
}

function whereOf(expr: Expr, externals: readonly string[]): Where {
  return { sql: formatSql(expr), columns: ["id", "n", "v"], externals, expr };
}

const A_ONLY = whereOf(external(STARTS_WITH_A), [STARTS_WITH_A]);
const Z_ONLY = whereOf(external(ENDS_WITH_Z), [ENDS_WITH_Z]);

/** What Postgres makes of the two conditions. */
function truthOf(sql: string, row: Row): number {
  const text = row.text(2);
  if (text === null) return IS_UNKNOWN;
  if (text.includes("!")) return IS_ERROR;
  const isTrue = sql === STARTS_WITH_A ? text.startsWith("a") : text.endsWith("z");
  return isTrue ? IS_TRUE : IS_FALSE;
}

class World extends IngestWorld {
  readonly source: ScriptedSource;
  readonly changes = new Changes(TABLE);

  constructor() {
    const source = new ScriptedSource();
    super({ evaluate: (request, signal) => source.evaluate(request, signal) });
    source.truthOf = truthOf;
    this.source = source;
  }

  follow(where: Where | undefined): Shape {
    return this.shape(TABLE, {}, EMPTY_VISIBILITY, where);
  }
}

Deno.test("Ingest follows rows in and out of a shape by what Postgres says of them", async () => {
  const world = new World(), { changes } = world;
  const shape = world.follow(A_ONLY);
  await world.accept(
    changes.announced,
    ...transaction(
      100,
      changes.insert("1", "0", "apple"),
      changes.insert("2", "0", "pear"),
      changes.insert("3", "0", null),
      changes.insert("4", "0", "a!"),
    ),
    ...transaction(
      200,
      changes.update(["1", "0", "apple"], ["1", "1", "apple"]),
      changes.update(["2", "0", "pear"], ["2", "0", "apricot"]),
      changes.update(["1", "1", "apple"], ["1", "1", "plum"]),
      changes.update(["4", "0", "a!"], ["4", "0", "a"]),
      changes.update(["4", "0", "a"], ["4", "0", "a!"]),
      changes.update(["3", "0", null], ["3", "0", "b"]),
      changes.delete("2", "0", "apricot"),
      changes.delete("3", "0", "b"),
    ),
  );
  assert.deepEqual(summary(shape), [
    `insert "1" @100_0`,
    `update "1" @200_0`,
    `insert "2" @200_2`,
    `delete "1" @200_4`,
    `insert "4" @200_6`,
    `delete "4" @200_8`,
    `delete "2" @200_12`,
  ]);
  assert.deepEqual(world.source.calls, ["evaluate 18 rows"]);
});

Deno.test("Ingest asks nothing and makes no promise without such a shape on the relation", async () => {
  const world = new World(), { changes } = world;
  const other = table({ oid: 6000, name: "others" });
  const all = world.follow(undefined);
  world.shape(other, { table: "others" }, EMPTY_VISIBILITY, A_ONLY);
  const events = [changes.announced, ...transaction(100, changes.insert("1", "0", "apple"))];
  assert.equal(world.accept(...events), undefined);
  assert.deepEqual(summary(all), [`insert "1" @100_0`]);
  const second = new Changes(other);
  const rest = [second.announced, ...transaction(200, second.insert("1", "0", "apple"))];
  await world.accept(...rest);
  assert.deepEqual(world.source.calls, ["evaluate 1 rows"]);
});

Deno.test("Ingest asks only about rows that the rest of the filter leaves open", async () => {
  const world = new World(), { changes } = world;
  const expr = conjunction("and", [native("n = 7"), external(STARTS_WITH_A)]);
  const shape = world.follow(whereOf(expr, [STARTS_WITH_A]));
  const either = conjunction("or", [native("n = 8"), external(STARTS_WITH_A)]);
  const open = world.follow(whereOf(either, [STARTS_WITH_A]));
  await world.accept(
    changes.announced,
    ...transaction(
      100,
      changes.insert("1", "7", "apple"),
      changes.insert("2", "7", "pear"),
      changes.insert("3", "8", "a!"),
      changes.insert("4", "9", "a!"),
    ),
  );
  assert.deepEqual(summary(shape), [`insert "1" @100_0`]);
  assert.deepEqual(summary(open), [`insert "1" @100_0`, `insert "3" @100_4`]);
  assert.deepEqual(world.source.calls, ["evaluate 3 rows"]);
});

Deno.test("Ingest leaves a row out whose evaluation failed, below NOT too", async () => {
  const world = new World(), { changes } = world;
  const expr: Expr = { kind: "not", type: BOOL, operand: external(STARTS_WITH_A) };
  const shape = world.follow(whereOf(expr, [STARTS_WITH_A]));
  await world.accept(
    changes.announced,
    ...transaction(100, changes.insert("1", "0", "b"), changes.insert("2", "0", "b!")),
  );
  assert.deepEqual(summary(shape), [`insert "1" @100_0`]);
});

Deno.test("Ingest asks for several conditions at once, and once for shapes that share one", async () => {
  const requests: EvaluationRequest[] = [];
  const source = new ScriptedSource();
  source.truthOf = truthOf;
  const world = new IngestWorld({
    evaluate: (request, signal) => {
      requests.push(request);
      return source.evaluate(request, signal);
    },
  });
  const changes = new Changes(TABLE);
  const follow = (where: Where) => world.shape(TABLE, {}, EMPTY_VISIBILITY, where);
  const shapes = [follow(A_ONLY), follow(A_ONLY), follow(Z_ONLY)];
  await world.accept(
    changes.announced,
    ...transaction(100, changes.insert("1", "0", "az"), changes.insert("2", "0", "bz")),
  );
  assert.deepEqual(shapes.map(summary), [
    [`insert "1" @100_0`],
    [`insert "1" @100_0`],
    [`insert "1" @100_0`, `insert "2" @100_2`],
  ]);
  assert.deepEqual(requests.map(({ conditions }) => conditions), [[STARTS_WITH_A, ENDS_WITH_Z]]);
  assert.deepEqual(requests[0].columns, [{ name: "v", typeOid: 25, collation: null, place: 2 }]);
});

Deno.test("Ingest asks again for a shape that came while it waited", async () => {
  const world = new World(), { changes, source } = world;
  const first = world.follow(A_ONLY);
  await world.accept(changes.announced);
  source.close("evaluate");
  const accepted = world.accept(...transaction(100, changes.insert("1", "0", "az")));
  assert(accepted);
  await source.reached("evaluate");
  const second = world.follow(Z_ONLY);
  source.open("evaluate");
  await accepted;
  assert.deepEqual([summary(first), summary(second)], [
    [`insert "1" @100_0`],
    [`insert "1" @100_0`],
  ]);
  assert.deepEqual(source.calls, ["evaluate 1 rows", "evaluate 1 rows"]);
});

Deno.test("Ingest no longer asks for a shape that is gone, even one gone while it waited", async () => {
  const world = new World(), { changes, source } = world;
  const gone = world.follow(A_ONLY), all = world.follow(undefined);
  await world.accept(changes.announced);
  source.close("evaluate");
  const accepted = world.accept(...transaction(100, changes.insert("1", "0", "az")));
  await source.reached("evaluate");
  world.ingest.remove(gone);
  source.open("evaluate");
  await accepted;
  assert.equal(world.accept(...transaction(200, changes.insert("2", "0", "az"))), undefined);
  assert.deepEqual([summary(gone), summary(all).length], [[], 2]);
  assert.deepEqual(source.calls, ["evaluate 1 rows"]);
});

Deno.test("Ingest asks in portions, and in order", async () => {
  const world = new World(), { changes, source } = world;
  const shape = world.follow(A_ONLY);
  const inserts = Array.from(
    { length: 2_500 },
    (_, i) => changes.insert(`${i}`, "0", i % 2 ? "a" : "b"),
  );
  await world.accept(changes.announced, ...transaction(100, ...inserts));
  assert.deepEqual(source.calls, [
    "evaluate 1000 rows",
    "evaluate 1000 rows",
    "evaluate 500 rows",
  ]);
  const keys = logItems(shape).map(({ headers }) => headers.op_position);
  assert.deepEqual(keys, Array.from({ length: 1_250 }, (_, i) => 4 * i + 2));
});

Deno.test("Ingest asks about what follows an announcement with the relation as announced", async () => {
  const world = new World(), { changes, source } = world;
  const shape = world.follow(A_ONLY);
  const turned = new Changes(relation(TABLE, { columns: relation(TABLE).columns.toReversed() }));
  source.truthOf = () => IS_TRUE;
  const places: number[][] = [];
  const { evaluate } = source;
  source.evaluate = (request, signal) => {
    places.push(request.columns.map(({ place }) => place));
    return evaluate.call(source, request, signal);
  };
  await world.accept(
    changes.announced,
    begin(100),
    changes.insert("1", "0", "a"),
    turned.announced,
    turned.insert("a", "0", "2"),
    commit(110),
  );
  assert.deepEqual(places, [[2], [0]]);
  assert.deepEqual(summary(shape), [`insert "1" @100_0`, `insert "2" @100_2`]);
});

Deno.test("Ingest asks nothing about transactions that it has taken in before", async () => {
  const world = new World(), { changes, source } = world;
  const shape = world.follow(A_ONLY);
  const events = [changes.announced, ...transaction(100, changes.insert("1", "0", "a"))];
  await world.accept(...events);
  world.ingest.restart(100n);
  assert.equal(world.accept(...events), undefined);
  assert.deepEqual(source.calls, ["evaluate 1 rows"]);
  assert.deepEqual(summary(shape), [`insert "1" @100_0`]);
});

Deno.test("Ingest tells of such a shape when the old row is missing, without asking", async () => {
  const world = new World(), { changes, source } = world;
  const shape = world.follow(A_ONLY);
  const row = rowOfTexts(["1", "0", "a"]);
  await world.accept(changes.announced, ...transaction(100, changes.updateBlind(undefined, row)));
  assert.equal(world.lost.get(shape.handle), "A change came without its old row");
  assert.deepEqual(source.calls, []);
});

Deno.test("Ingest drops what it waits for when the stream starts again", async () => {
  const world = new World(), { changes, source } = world;
  const shape = world.follow(A_ONLY);
  source.close("evaluate");
  const insert = transaction(100, changes.insert("1", "0", "a"));
  const accepted = world.accept(changes.announced, ...insert);
  assert(accepted);
  await source.reached("evaluate");
  const abandoned = assert.rejects(accepted, { name: "AbortError" });
  world.ingest.restart(0n);
  await abandoned;
  source.open("evaluate");
  await world.accept(changes.announced, ...insert);
  assert.deepEqual(summary(shape), [`insert "1" @100_0`]);
});

Deno.test("Ingest logs failures with condition and shape, without values, once a minute", async () => {
  const world: IngestWorld = new IngestWorld({
    evaluate: ({ rows, conditions }) => {
      const truths = new Uint8Array(rows.length * conditions.length).fill(IS_ERROR);
      const failures = [{ condition: 0, code: "22012", rows: rows.length }];
      return Promise.resolve({ truths, failures });
    },
  });
  const changes = new Changes(TABLE);
  const shape = world.shape(TABLE, {}, EMPTY_VISIBILITY, A_ONLY);
  await world.accept(changes.announced);
  for (const [i, nowMs] of [0, 30_000, 59_999, 60_000].entries()) {
    world.nowMs = nowMs;
    await world.accept(...transaction(100 * (i + 1), changes.insert("1", "0", "secret")));
  }
  assert.deepEqual(summary(shape), []);
  const line = (rows: number) =>
    "warn Postgres raised an error for rows that a shape now leaves out " +
    `condition="v" ~ '^a' code=22012 rows=${rows} shapes=1 handle=${shape.handle} table=items`;
  assert.deepEqual(world.logger.lines, [line(1), line(3)]);
});

Deno.test("A shape of some columns has nothing in its log of changes to the others", async () => {
  for (const where of [A_ONLY, whereOf(native("v LIKE 'a%'"), []), undefined]) {
    const world = new World(), { changes } = world;
    const changed = { columns: ["id"] };
    const shape = world.shape(TABLE, changed, EMPTY_VISIBILITY, where);
    const full = world.shape(TABLE, { ...changed, replica: "full" }, EMPTY_VISIBILITY, where);
    await world.accept(
      changes.announced,
      ...transaction(100, changes.insert("1", "10", "apple")),
    );
    const seen = [shape, full].map((each) => [summary(each), each.head]);
    const hidden: StreamEvent[] = [
      changes.update(["1", "10", "apple"], ["1", "11", "apple"]),
      changes.update(["1", "11", "apple"], ["1", "11", "avocado"]),
      changes.update(["1", "11", "avocado"], ["1", null, "avocado"]),
    ];
    await world.accept(...transaction(200, ...hidden));
    assert.deepEqual([shape, full].map((each) => [summary(each), each.head]), seen);
    await world.accept(...transaction(300, changes.delete("1", null, "avocado")));
    for (const item of [...logItems(shape), ...logItems(full)]) {
      assert.deepEqual(Object.keys(item.value), ["id"]);
      assert(!JSON.stringify(item).includes("avocado"));
    }
  }
});
