import assert from "node:assert/strict";
import {
  conditionError,
  copySql,
  parseVisibility,
  planConditionSql,
  prepareSnapshotSql,
  snapshotError,
  visibilitySql,
} from "../../replication/snapshot_sql.ts";
import { isConnectionError, QueueTimeoutError } from "../../replication/transaction.ts";
import { ConnectionError } from "../../replication/postgres_error.ts";
import { UnavailableError } from "../../shapes/errors.ts";
import { TableChangedError } from "../../shapes/ports.ts";
import type { Table, TableColumn } from "../../shapes/table.ts";

function column(name: string, typeName: string, more: Partial<TableColumn> = {}): TableColumn {
  return {
    name,
    number: 1,
    typeName,
    typeOid: 0,
    typeSchema: "pg_catalog",
    typeKind: "b",
    baseTypeName: typeName,
    typeMod: -1,
    dims: 0,
    isNotNull: false,
    keyIndex: null,
    generated: null,
    collation: null,
    ...more,
  };
}

const TABLE: Table = {
  schema: "s",
  name: `t"`,
  oid: 7,
  kind: "ordinary",
  partitions: [],
  attached: [],
  columns: [
    column("id", "int4"),
    column("on", "bool"),
    column("list", "bool", { dims: 1 }),
    column("flag", "flag", { typeKind: "d", baseTypeName: "bool" }),
    column("host", "inet"),
    column("made", "_bool"),
  ],
};
const PARTITIONED: Table = { ...TABLE, kind: "partitioned" };

Deno.test("copySql() casts scalar bool and inet columns only", () => {
  const request = {
    table: TABLE,
    columns: TABLE.columns.map(({ name }) => name),
    hasRows: true,
    purpose: "snapshot" as const,
  };
  assert.equal(
    copySql({ ...request, where: undefined }),
    `COPY (SELECT "id", "on"::pg_catalog.text, "list", "flag"::pg_catalog.text, ` +
      `"host"::pg_catalog.text, "made" FROM ONLY "s"."t""") TO STDOUT`,
  );
});

Deno.test("copySql() keeps the filter within its parentheses, whatever it ends with", () => {
  const request = {
    columns: ["id"],
    hasRows: true,
    purpose: "snapshot" as const,
    where: "id = 1 -- x",
  };
  assert.equal(
    copySql({ ...request, table: PARTITIONED }),
    `COPY (SELECT "id" FROM "s"."t""" WHERE (id = 1 -- x\n)) TO STDOUT`,
  );
});

Deno.test("copySql() refuses a column that the table has not", () => {
  const request = {
    table: TABLE,
    columns: ["nope"],
    where: undefined,
    hasRows: true,
    purpose: "snapshot" as const,
  };
  assert.throws(() => copySql(request), TableChangedError);
});

const LIMITS = { lockTimeoutMs: 50, statementTimeoutMs: 70 };

Deno.test("prepareSnapshotSql() sets limits and locks last, if it may", () => {
  const locked = prepareSnapshotSql(TABLE, { isLocked: true, ...LIMITS }).split("; ");
  assert.equal(locked.at(-1), `LOCK TABLE ONLY "s"."t""" IN ACCESS SHARE MODE`);
  assert(locked.includes("SET LOCAL lock_timeout = 50"));
  assert(locked.includes("SET LOCAL statement_timeout = 70"));
  assert(locked.slice(0, -1).every((statement) => statement.startsWith("SET LOCAL ")));
  const free = prepareSnapshotSql(TABLE, { isLocked: false, ...LIMITS });
  assert(!free.includes("LOCK TABLE"));
  const root = prepareSnapshotSql(PARTITIONED, { isLocked: true, ...LIMITS });
  assert(root.endsWith(`LOCK TABLE "s"."t""" IN ACCESS SHARE MODE`));
});

Deno.test("visibilitySql() names the table as a string constant", () => {
  assert(visibilitySql(TABLE).includes(`to_regclass('"s"."t"""')`));
});

Deno.test("parseVisibility() reads snapshots with and without transactions in progress", () => {
  assert.deepEqual(parseVisibility("10:20:10,14", "1/A0"), {
    xmin: 10n,
    xmax: 20n,
    inProgress: [10n, 14n],
    walPosition: (1n << 32n) + 0xa0n,
  });
  assert.deepEqual(
    parseVisibility("18446744073709551610:18446744073709551611:", "0/1").inProgress,
    [],
  );
  for (const text of ["", "1:2", "1:2:x", "a:b:"]) {
    assert.throws(() => parseVisibility(text, "0/1"), SyntaxError);
  }
  assert.throws(() => parseVisibility("1:2:", "0"), SyntaxError);
});

function serverError(code: string, message = "text"): Error {
  return Object.assign(new Error(message), { name: "PostgresError", code });
}

const LOST = "Database connection not available";
const LOCKED = "Snapshot timed out while waiting for a table lock";

/** What was thrown → the message of the `UnavailableError` for it. */
const UNAVAILABLE: readonly (readonly [error: unknown, message: string])[] = [
  [Object.assign(new Error("x"), { code: "CONNECTION_CLOSED" }), LOST],
  [Object.assign(new Error("x"), { code: "CONNECT_TIMEOUT" }), LOST],
  [Object.assign(new Error("x"), { code: "ECONNRESET" }), LOST],
  [new ConnectionError("refused", "x"), LOST],
  [serverError("57P01"), LOST],
  [serverError("53300"), LOST],
  [serverError("08006"), LOST],
  [serverError("55P03"), LOCKED],
  [serverError("40P01"), LOCKED],
  [
    serverError("42501", "permission denied"),
    "Unable to create initial snapshot: permission denied",
  ],
  [serverError("40001", "conflict"), "Unable to create initial snapshot: conflict"],
  [serverError("57014", "canceled"), "Unable to create initial snapshot: canceled"],
  [new QueueTimeoutError(), "Snapshot creation failed because of a connection pool queue timeout"],
];

Deno.test("snapshotError() has the contract's text for each kind of trouble", () => {
  for (const [error, message] of UNAVAILABLE) {
    const mapped = snapshotError(error);
    assert(mapped instanceof UnavailableError, message);
    assert.equal(mapped.message, message);
    assert.deepEqual([mapped.retryAfterSeconds, mapped.isKnown], [10, true]);
  }
});

Deno.test("snapshotError() knows a table that changed, and leaves other errors what they are", () => {
  for (const code of ["42P01", "42703", "42883", "42704", "3F000"]) {
    assert(snapshotError(serverError(code)) instanceof TableChangedError, code);
  }
  const mapped = snapshotError(serverError("22012", "division by zero"));
  assert(mapped instanceof Error && mapped.name === "Error");
  assert.equal(mapped.message, "division by zero");
  for (const error of [new TypeError("ours"), new TableChangedError("ours"), "text", undefined]) {
    assert.equal(snapshotError(error), error);
  }
});

Deno.test("isConnectionError() tells errors of the connection from those of statements and of ours", () => {
  const lost = [
    "CONNECTION_CLOSED",
    "CONNECTION_ENDED",
    "CONNECTION_DESTROYED",
    "EPIPE",
    "ETIMEDOUT",
  ];
  for (const code of lost) {
    assert.equal(isConnectionError(Object.assign(new Error("x"), { code })), true, code);
  }
  const others = [serverError("57014"), serverError("ECONN"), new Error("x"), new TypeError(), 5];
  for (const error of others) assert.equal(isConnectionError(error), false);
});

Deno.test("prepareSnapshotSql() holds nothing that takes a snapshot", () => {
  const text = prepareSnapshotSql(TABLE, { isLocked: true, ...LIMITS });
  assert.match(text, /MODE$/);
  assert(!/SELECT/.test(text));
});

Deno.test("planConditionSql() embeds a condition that may end in a comment", () => {
  assert.match(
    planConditionSql(TABLE, '"id" = 1'),
    /^SELECT FROM ONLY .+ WHERE \("id" = 1\n\) LIMIT 0$/,
  );
});

Deno.test("conditionError() never tells a row's values", () => {
  const secret = conditionError(
    serverError("22P02", 'invalid input syntax for type integer: "s3"'),
    true,
  );
  assert.deepEqual(secret?.errors, {
    where: ["Postgres can't evaluate the shape for some row (SQLSTATE 22P02)"],
  });
  const constant = conditionError(serverError("22012", "division by zero"), true);
  assert.deepEqual(constant?.errors, { where: ["division by zero"] });
});

Deno.test("conditionError() tells a condition that Postgres refuses from other trouble", () => {
  const messages = {
    'invalid input syntax for type interval: "soon"': "invalid syntax for type interval: soon",
    'invalid input value for enum mood: "x: "y""': 'invalid syntax for type enum mood: x: "y"',
    "division by zero": "division by zero",
  };
  for (const [message, expected] of Object.entries(messages)) {
    assert.deepEqual(conditionError(serverError("22P02", message))?.errors, { where: [expected] });
  }
  assert(conditionError(serverError("42P22", "could not determine which collation to use")));
  assert(conditionError(serverError("42704", 'collation "nope" does not exist')));
  assert.equal(conditionError(serverError("42704", 'type "nope" does not exist')), undefined);
  for (const code of ["42P01", "42501", "55P03", "40001", "57014"]) {
    assert.equal(conditionError(serverError(code)), undefined, code);
  }
  assert.equal(conditionError(new TypeError("no")), undefined);
});
