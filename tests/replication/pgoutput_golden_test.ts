import assert from "node:assert/strict";
import { ProtocolError } from "../../replication/protocol_error.ts";
import { decodePgoutput, type PgoutputMessage } from "../../replication/pgoutput.ts";
import { type Row, UNCHANGED_LENGTH } from "../../shapes/row.ts";
import { allGoldenBytes, bytesOfStep, CAPTURES, decodeStep } from "../support/golden_pgoutput.ts";

const LONG = "0123456789abcdef".repeat(140);

/** One line a message, without what differs from capture to capture. */
function describe(messages: readonly PgoutputMessage[]): string[] {
  const names = new Map<number, string>();
  const nameOf = (oid: number) => names.get(oid) ?? "?";
  return messages.map((message) => {
    switch (message.kind) {
      case "relation": {
        const { oid, schema, name, identity, columns } = message.relation;
        names.set(oid, name);
        const list = columns.map((column) => `${column.isIdentity ? "*" : ""}${column.name}`);
        return `relation ${schema}.${name} ${identity} (${list.join(" ")})`;
      }
      case "insert":
        return `insert ${nameOf(message.relationOid)} ${show(message.row)}`;
      case "update": {
        const old = message.old ? ` ${message.isKeyOnly ? "key" : "old"} ${show(message.old)}` : "";
        return `update ${nameOf(message.relationOid)}${old} ${show(message.row)}`;
      }
      case "delete": {
        const old = `${message.isKeyOnly ? "key" : "old"} ${show(message.old)}`;
        return `delete ${nameOf(message.relationOid)} ${old}`;
      }
      case "truncate": {
        const options = `${message.isCascade ? " cascade" : ""}${
          message.isRestartIdentity ? " restart" : ""
        }`;
        return `truncate ${message.relationOids.map(nameOf).join(" ")}${options}`;
      }
      default:
        return message.kind;
    }
  });
}

function show(row: Row): string {
  const texts = row.lengths.map((length, i) => {
    if (length === UNCHANGED_LENGTH) return "~";
    const text = row.text(i);
    return text === LONG ? "LONG" : text ?? "NULL";
  });
  return `[${texts.join("|")}]`;
}

const R_ITEMS = "relation public.items default (*id title note)";

/** What each captured step says, between its begin and commit; the same on every version. */
const EXPECTED: Readonly<Record<string, readonly string[]>> = {
  insert: [R_ITEMS, "insert items [1|one|n]"],
  nullsAndEmpty: [
    R_ITEMS,
    "insert items [2|NULL|]",
    "insert items [3||NULL]",
    "insert items [4|ünï 🙂|NULL]",
  ],
  updateDefault: [R_ITEMS, "update items [1|uno|n]"],
  updateKey: [R_ITEMS, "update items key [1|NULL|NULL] [10|uno|n]"],
  deleteKey: [R_ITEMS, "delete items key [10|NULL|NULL]"],
  insertLong: [
    "relation public.whole full (*id *title *body)",
    "insert whole [1|a|LONG]",
    "relation public.brief default (*id title body)",
    "insert brief [1|a|LONG]",
  ],
  updateFullUnchanged: [
    "relation public.whole full (*id *title *body)",
    "update whole old [1|a|LONG] [1|b|~]",
  ],
  updateDefaultUnchanged: [
    "relation public.brief default (*id title body)",
    "update brief [1|b|~]",
  ],
  deleteFull: [
    "relation public.whole full (*id *title *body)",
    "delete whole old [1|b|LONG]",
  ],
  identityIndex: [
    "relation public.coded index (id *code title)",
    "insert coded [1|x|t]",
    "update coded [1|x|u]",
    "update coded key [NULL|x|NULL] [1|y|u]",
    "delete coded key [NULL|y|NULL]",
  ],
  identityNothing: ["relation public.logbook nothing (line)", "insert logbook [line]"],
  generated: ["relation public.doubled default (*id)", "insert doubled [21]"],
  origin: ["origin", R_ITEMS, "insert items [20|from afar|NULL]"],
  messageTransactional: [R_ITEMS, "insert items [21|a|NULL]", "message"],
  truncateOne: [R_ITEMS, "truncate items"],
  truncateSeveral: [
    "relation public.logbook nothing (line)",
    "relation public.brief default (*id title body)",
    "truncate logbook brief restart",
  ],
  truncateCascade: [
    "relation public.parent default (*id title)",
    "insert parent [1|p]",
    "relation public.child default (*id parent_id)",
    "insert child [1|1]",
    "relation public.parent default (*id title)",
    "relation public.child default (*id parent_id)",
    "truncate parent child cascade restart",
  ],
  // A row that moves to another partition leaves by a delete and arrives by an insert.
  partitions: [
    "relation public.parts_eu default (*id *region)",
    "insert parts_eu [1|eu]",
    "relation public.parts_us default (*id *region)",
    "insert parts_us [2|us]",
    "delete parts_eu key [1|eu]",
    "insert parts_us [1|us]",
  ],
  truncatePartitioned: [
    "relation public.parts_eu default (*id *region)",
    "relation public.parts_us default (*id *region)",
    "truncate parts_eu parts_us",
  ],
  unicodeNames: [
    'relation Größe.tàble "日本" default (*id colönne 🙂)',
    'insert tàble "日本" [1|v]',
  ],
  noColumns: ["relation public.no_columns default ()", "insert no_columns []"],
  alterInside: [
    R_ITEMS,
    "insert items [40|before|NULL]",
    "relation public.items default (*id title note extra)",
    "insert items [41|after|NULL|x]",
    "relation public.items full (*id *title *note *extra)",
    "update items old [41|after|NULL|x] [41|full|NULL|x]",
  ],
  announcedAgain: [
    "relation public.items full (*id *title *note *extra)",
    "insert items [50|a|NULL|NULL]",
    "relation public.items full (*id *title *note *extra)",
    "insert items [51|b|NULL|NULL]",
  ],
};

for (const capture of CAPTURES) {
  const on = `of PG ${capture.serverVersion}`;

  for (const [step, expected] of Object.entries(EXPECTED)) {
    Deno.test(`decodePgoutput() reads the captured step "${step}" ${on}`, () => {
      assert.deepEqual(describe(decodeStep(capture, step)), ["begin", ...expected, "commit"]);
    });
  }

  Deno.test(`decodePgoutput() reads begin and commit ${on}`, () => {
    const messages = decodeStep(capture, "insert");
    const begin = messages[0], commit = messages[messages.length - 1];
    assert(begin.kind === "begin" && commit.kind === "commit");
    assert.equal(commit.commitLsn, begin.commitLsn);
    assert(commit.endLsn > commit.commitLsn && commit.endLsn < commit.commitLsn + 1000n);
    assert(begin.committedAtMs > Date.UTC(2025, 0) && begin.committedAtMs < Date.UTC(2100, 0));
    assert(begin.xid >= 3 && begin.xid < 2 ** 32, "below 3 are the special ids");
  });

  Deno.test(`decodePgoutput() names the custom types of a relation before it ${on}`, () => {
    const messages = decodeStep(capture, "manyTypes");
    const types = messages.flatMap((message) => message.kind === "type" ? [message] : []);
    // A domain keeps its own oid and is spelled as its base type.
    assert.deepEqual(types.map(({ schema, name }) => `${schema}.${name}`), [
      "public.mood",
      "public._mood",
      "pg_catalog.int4",
      "public.pair",
    ]);
    const relation = messages.find((message) => message.kind === "relation")?.relation;
    const oidOf = (name: string) => relation?.columns.find((c) => c.name === name)?.typeOid;
    const oids = ["mood", "moods", "qty", "pair"].map(oidOf);
    assert.deepEqual(types.map(({ oid }) => oid), oids);
  });

  Deno.test(`decodePgoutput() reads type oids, modifiers and texts of many types ${on}`, () => {
    const messages = decodeStep(capture, "manyTypes");
    const relation = messages.find((message) => message.kind === "relation")?.relation;
    const row = messages.find((message) => message.kind === "insert")?.row;
    assert(relation && row);
    const columns = relation.columns.map(({ name, typeOid, typeMod }, i) =>
      typeOid < 16384 ? `${name} ${typeOid} ${typeMod} ${row.text(i)}` : `${name} ${row.text(i)}`
    );
    assert.deepEqual(columns, [
      "id 20 -1 9007199254740993",
      "flag 16 -1 t",
      "small 21 -1 -7",
      "price 1700 655366 12.50",
      "ratio 701 -1 0.1",
      "single 700 -1 1.5",
      "short 1043 24 short",
      "fixed 1042 8 ab  ",
      "uid 2950 -1 a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
      "day 1082 -1 2024-02-29",
      "clock 1083 -1 23:59:59.5",
      "at 1114 -1 2024-02-29 12:00:00",
      "at_zone 1184 3 2024-02-29 10:00:00.123+00",
      "span 1186 -1 1 day 02:00:00",
      'doc 114 -1 {"a": 1}',
      'docb 3802 -1 {"a": [1, null]}',
      "raw 17 -1 \\xdeadbeef",
      'tags 1009 -1 {a,NULL,"c \\"d\\""}',
      "grid 1007 -1 {{1,2},{3,4}}",
      "mood happy",
      "moods {sad,ok}",
      "qty 5",
      'pair (1,"x y")',
      "net 869 -1 10.0.0.1/8",
      "bits 1560 3 101",
      "spans 3904 -1 [1,5)",
    ]);
  });

  Deno.test(`decodePgoutput() reads an origin ${on}`, () => {
    const [begin, origin] = decodeStep(capture, "origin");
    assert(begin.kind === "begin" && origin.kind === "origin");
    assert.equal(begin.committedAtMs, Date.UTC(2024, 0, 1), "the time at the origin");
    assert.equal(origin.originLsn, 0xabcdefn);
    assert.match(origin.name, /^capture_[0-9a-f]{32}$/);
  });

  Deno.test(`decodePgoutput() reads logical messages, in and outside transactions ${on}`, () => {
    const inside = decodeStep(capture, "messageTransactional").find(({ kind }) =>
      kind === "message"
    );
    assert(inside?.kind === "message");
    assert.equal(inside.isTransactional, true);
    assert.equal(inside.prefix, "préfix");
    assert.equal(new TextDecoder().decode(inside.content), "content é");

    const outside = decodeStep(capture, "messageAtOnce");
    assert.equal(outside.length, 1);
    assert(outside[0].kind === "message" && outside[0].lsn > 0n);
    assert.equal(outside[0].isTransactional, false);
    assert.equal(outside[0].content.length, 0);
  });

  Deno.test(`transactions without published changes send nothing ${on}`, () => {
    assert.deepEqual(capture.steps.empty, []);
    assert.deepEqual(capture.steps.rolledBack, []);
  });

  Deno.test(`every captured step ${on} is looked at`, () => {
    const elsewhere = ["manyTypes", "messageAtOnce", "empty", "rolledBack", "generatedStored"];
    const looked = new Set([...Object.keys(EXPECTED), ...elsewhere]);
    assert.deepEqual(Object.keys(capture.steps).filter((step) => !looked.has(step)), []);
  });
}

Deno.test("decodePgoutput() reads stored generated columns, published since PG 18", () => {
  const pg18 = CAPTURES.find(({ serverVersion }) => parseInt(serverVersion) >= 18);
  assert(pg18);
  assert.deepEqual(describe(decodeStep(pg18, "generatedStored")), [
    "begin",
    "relation public.doubled default (*id twice)",
    "insert doubled [22|44]",
    "commit",
  ]);
});

Deno.test("decodePgoutput() leaves row values in the message's own bytes", () => {
  const inner = bytesOfStep(CAPTURES[0], "insert")[2];
  const outer = new Uint8Array(inner.length + 30).fill(0x6e);
  outer.set(inner, 11);
  const data = outer.subarray(11, 11 + inner.length);
  const message = decodePgoutput(data);
  assert(message.kind === "insert");
  assert.equal(message.row.bytes, data);
  assert.equal(show(message.row), "[1|one|n]");
});

Deno.test("decodePgoutput() rejects every golden message cut at any byte", () => {
  // No prefix of a message is one: fields have fixed sizes, counts before them or ends behind them.
  let cuts = 0;
  for (const data of allGoldenBytes()) {
    for (let length = 0; length < data.length; length++, cuts++) {
      assert.throws(() => decodePgoutput(data.subarray(0, length)), ProtocolError);
    }
  }
  assert(cuts > 10_000);
});

Deno.test("decodePgoutput() rejects every golden message with a byte too many", () => {
  for (const data of allGoldenBytes()) {
    assert.throws(() => decodePgoutput(Uint8Array.of(...data, 0)), ProtocolError);
  }
});
