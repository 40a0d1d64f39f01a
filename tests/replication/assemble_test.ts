import assert from "node:assert/strict";
import type { Relation, StreamEvent } from "../../shapes/change.ts";
import { Row, rowOfTexts, UNCHANGED_LENGTH } from "../../shapes/row.ts";
import {
  assemble,
  type Assembler,
  createAssembler,
  isInTransaction,
  resetAssembler,
} from "../../replication/assemble.ts";
import type { PgoutputMessage } from "../../replication/pgoutput.ts";
import { ProtocolError } from "../../replication/protocol_error.ts";
import { CAPTURES, decodeStep } from "../support/golden_pgoutput.ts";

const BEGIN: PgoutputMessage = { kind: "begin", commitLsn: 100n, committedAtMs: 0, xid: 7 };
const COMMIT: PgoutputMessage = { kind: "commit", commitLsn: 100n, endLsn: 148n };

const ITEMS: Relation = {
  oid: 1,
  schema: "public",
  name: "items",
  identity: "full",
  columns: [
    { name: "id", typeOid: 23, typeMod: -1, isIdentity: true },
    { name: "title", typeOid: 25, typeMod: -1, isIdentity: true },
  ],
};

/** An assembler inside a transaction that knows `ITEMS`. */
function openAssembler(): Assembler {
  const assembler = createAssembler();
  assemble(assembler, BEGIN);
  assemble(assembler, { kind: "relation", relation: ITEMS });
  return assembler;
}

function change(assembler: Assembler, message: PgoutputMessage) {
  const event = assemble(assembler, message);
  assert(event?.kind === "change");
  return event.change;
}

Deno.test("assemble() passes a transaction on, event by event", () => {
  const assembler = createAssembler();
  const row = rowOfTexts(["1", "a"]);
  const events: (StreamEvent | undefined)[] = [
    BEGIN,
    { kind: "relation", relation: ITEMS } as const,
    { kind: "insert", relationOid: 1, row } as const,
    COMMIT,
  ].map((message) => assemble(assembler, message));
  assert.deepEqual(events, [
    { kind: "begin", commitLsn: 100n, xid: 7 },
    { kind: "relation", relation: ITEMS },
    { kind: "change", change: { kind: "insert", relation: ITEMS, row } },
    { kind: "commit", endLsn: 148n },
  ]);
});

Deno.test("isInTransaction() is true between begin and commit", () => {
  const assembler = createAssembler();
  assert.equal(isInTransaction(assembler), false);
  assemble(assembler, BEGIN);
  assert.equal(isInTransaction(assembler), true);
  assemble(assembler, COMMIT);
  assert.equal(isInTransaction(assembler), false);
});

Deno.test("assemble() keeps the relation object when it is announced again unchanged", () => {
  const assembler = openAssembler();
  const again = structuredClone(ITEMS);
  assert.equal(assemble(assembler, { kind: "relation", relation: again }), undefined);
  const row = rowOfTexts(["1", "a"]);
  const inserted = change(assembler, { kind: "insert", relationOid: 1, row });
  assert(inserted.kind === "insert");
  assert.equal(inserted.relation, ITEMS);
});

Deno.test("assemble() tells of a relation that differs in any field", () => {
  const [id, title] = ITEMS.columns;
  const others: Relation[] = [
    { ...ITEMS, schema: "other" },
    { ...ITEMS, name: "other" },
    { ...ITEMS, identity: "default" },
    { ...ITEMS, columns: [id] },
    { ...ITEMS, columns: [title, id] },
    { ...ITEMS, columns: [id, title, { ...title, name: "c" }] },
    { ...ITEMS, columns: [id, { ...title, name: "other" }] },
    { ...ITEMS, columns: [id, { ...title, typeOid: 1043 }] },
    { ...ITEMS, columns: [id, { ...title, typeMod: 5 }] },
    { ...ITEMS, columns: [id, { ...title, isIdentity: false }] },
  ];
  for (const relation of others) {
    const assembler = openAssembler();
    const event = assemble(assembler, { kind: "relation", relation });
    assert.deepEqual(event, { kind: "relation", relation });
    const truncated = change(assembler, {
      kind: "truncate",
      relationOids: [1],
      isCascade: false,
      isRestartIdentity: false,
    });
    assert(truncated.kind === "truncate");
    assert.equal(truncated.relations[0], relation);
  }
});

Deno.test("assemble() tells relations with the same name and another oid apart", () => {
  const assembler = openAssembler();
  const second = { ...ITEMS, oid: 4_294_967_295 };
  assert.notEqual(assemble(assembler, { kind: "relation", relation: second }), undefined);
  const message = {
    kind: "truncate",
    relationOids: [4_294_967_295, 1],
    isCascade: true,
    isRestartIdentity: false,
  } as const;
  const truncated = change(assembler, message);
  assert.deepEqual(truncated, { kind: "truncate", relations: [second, ITEMS] });
});

Deno.test("assemble() marks old rows that hold the key only", () => {
  const assembler = openAssembler();
  const row = rowOfTexts(["2", "a"]), old = rowOfTexts(["1", null]);
  const messages: PgoutputMessage[] = [
    { kind: "update", relationOid: 1, row, old, isKeyOnly: true },
    { kind: "update", relationOid: 1, row, old: undefined, isKeyOnly: false },
    { kind: "delete", relationOid: 1, old, isKeyOnly: true },
    { kind: "delete", relationOid: 1, old, isKeyOnly: false },
  ];
  assert.deepEqual(messages.map((message) => change(assembler, message)), [
    { kind: "update", relation: ITEMS, row, old, isKeyOnly: true },
    { kind: "update", relation: ITEMS, row, old: undefined, isKeyOnly: false },
    { kind: "delete", relation: ITEMS, old, isKeyOnly: true },
    { kind: "delete", relation: ITEMS, old, isKeyOnly: false },
  ]);
});

Deno.test("assemble() fills unchanged values from a full old row only", () => {
  const bytes = new TextEncoder().encode("1long2");
  const old = new Row(bytes, [0, 1], [1, 4]);
  const row = new Row(bytes, [5, 6], [1, UNCHANGED_LENGTH]);
  const message = { kind: "update", relationOid: 1, row, old } as const;
  const filled = change(openAssembler(), { ...message, isKeyOnly: false });
  assert(filled.kind === "update");
  assert.deepEqual([filled.row.text(0), filled.row.text(1)], ["2", "long"]);
  assert.equal(filled.row.bytes, bytes);
  assert.deepEqual(row.lengths, [1, UNCHANGED_LENGTH], "the decoded row stays as it was");

  const keyOnly = change(openAssembler(), { ...message, isKeyOnly: true });
  assert(keyOnly.kind === "update");
  assert.equal(keyOnly.row, row);
});

Deno.test("assemble() fills an unchanged value with NULL when the old row says NULL", () => {
  const bytes = new TextEncoder().encode("12");
  const old = new Row(bytes, [0, 1], [1, -1]);
  const row = new Row(bytes, [1, 2], [1, UNCHANGED_LENGTH]);
  const message = { kind: "update", relationOid: 1, row, old, isKeyOnly: false } as const;
  const filled = change(openAssembler(), message);
  assert(filled.kind === "update");
  assert.equal(filled.row.isNull(1), true);
});

Deno.test("assemble() will not mix rows of two messages", () => {
  const old = rowOfTexts(["1", "a"]);
  const row = new Row(Uint8Array.of(0x31), [0, 1], [1, UNCHANGED_LENGTH]);
  const message = { kind: "update", relationOid: 1, row, old, isKeyOnly: false } as const;
  assert.throws(() => assemble(openAssembler(), message), TypeError);
});

Deno.test("assemble() gives no event for types, origins and logical messages, anywhere", () => {
  const silent: PgoutputMessage[] = [
    { kind: "type", oid: 5, schema: "public", name: "mood" },
    { kind: "origin", originLsn: 1n, name: "afar" },
    {
      kind: "message",
      isTransactional: false,
      lsn: 1n,
      prefix: "",
      content: new Uint8Array(),
    },
  ];
  for (const assembler of [createAssembler(), openAssembler()]) {
    for (const message of silent) assert.equal(assemble(assembler, message), undefined);
  }
});

Deno.test("assemble() rejects messages out of order", () => {
  const row = rowOfTexts(["1", "a"]);
  const truncate = {
    kind: "truncate",
    relationOids: [1],
    isCascade: false,
    isRestartIdentity: false,
  } as const;
  const closed = () => {
    const assembler = openAssembler();
    assemble(assembler, COMMIT);
    return assembler;
  };
  const changes: PgoutputMessage[] = [
    { kind: "insert", relationOid: 1, row },
    { kind: "update", relationOid: 1, row, old: undefined, isKeyOnly: false },
    { kind: "delete", relationOid: 1, old: row, isKeyOnly: false },
    truncate,
  ];
  for (const message of changes) {
    assert.throws(() => assemble(closed(), message), /Change outside a transaction/);
  }
  assert.throws(() => assemble(closed(), COMMIT), /Commit outside a transaction/);
  assert.throws(() => assemble(openAssembler(), BEGIN), /begins inside another/);
  assert.throws(() => assemble(openAssembler(), { ...COMMIT, commitLsn: 99n }), ProtocolError);
});

Deno.test("assemble() rejects changes of relations that were not announced", () => {
  const row = rowOfTexts(["1", "a"]);
  const changes: PgoutputMessage[] = [
    { kind: "insert", relationOid: 2, row },
    { kind: "update", relationOid: 2, row, old: undefined, isKeyOnly: false },
    { kind: "delete", relationOid: 2, old: row, isKeyOnly: false },
    { kind: "truncate", relationOids: [1, 2], isCascade: false, isRestartIdentity: false },
  ];
  for (const message of changes) {
    assert.throws(
      () => assemble(openAssembler(), message),
      (error) =>
        error instanceof ProtocolError && error.messageKind === message.kind &&
        error.message.includes("Relation 2 was not announced"),
    );
  }
});

Deno.test("assemble() rejects rows with other columns than the relation", () => {
  const row = rowOfTexts(["1", "a"]), short = rowOfTexts(["1"]), long = rowOfTexts(["1", "a", "b"]);
  for (const odd of [short, long]) {
    const changes: PgoutputMessage[] = [
      { kind: "insert", relationOid: 1, row: odd },
      { kind: "update", relationOid: 1, row: odd, old: undefined, isKeyOnly: false },
      { kind: "update", relationOid: 1, row, old: odd, isKeyOnly: true },
      { kind: "delete", relationOid: 1, old: odd, isKeyOnly: false },
    ];
    for (const message of changes) {
      assert.throws(
        () => assemble(openAssembler(), message),
        /columns for "public"."items" with 2/,
      );
    }
  }
});

Deno.test("resetAssembler() forgets the open transaction and every relation", () => {
  const assembler = openAssembler();
  resetAssembler(assembler);
  assert.equal(isInTransaction(assembler), false);
  assemble(assembler, BEGIN);
  const insert = { kind: "insert", relationOid: 1, row: rowOfTexts(["1", "a"]) } as const;
  assert.throws(() => assemble(assembler, insert), /not announced/);
  const again = assemble(assembler, { kind: "relation", relation: ITEMS });
  assert.equal(again?.kind, "relation", "it is news again after a reset");
});

for (const capture of CAPTURES) {
  const { serverVersion, steps } = capture;

  Deno.test(`assemble() takes the whole captured stream of PG ${serverVersion}`, () => {
    const assembler = createAssembler();
    const events = Object.keys(steps).flatMap((step) => decodeStep(capture, step))
      .map((message) => assemble(assembler, message));
    assert.equal(isInTransaction(assembler), false);
    const begins = events.filter((event) => event?.kind === "begin").length;
    assert.equal(events.filter((event) => event?.kind === "commit").length, begins);
    assert(begins > 15);
    const ends = events.flatMap((event) => event?.kind === "commit" ? [event.endLsn] : []);
    assert.deepEqual(ends, ends.toSorted((a, b) => a < b ? -1 : 1), "commit order is WAL order");
  });

  Deno.test(`assemble() completes a row with an unchanged TOAST value of PG ${serverVersion}`, () => {
    const assembler = createAssembler();
    const events = decodeStep(capture, "updateFullUnchanged").map((message) =>
      assemble(assembler, message)
    );
    const event = events.find((event) => event?.kind === "change");
    assert(event?.kind === "change" && event.change.kind === "update");
    const { row, old } = event.change;
    assert.deepEqual([row.text(0), row.text(1)], ["1", "b"]);
    assert.equal(row.text(2), "0123456789abcdef".repeat(140));
    assert.equal(row.text(2), old?.text(2));
  });

  Deno.test(`assemble() leaves it out without a full old row of PG ${serverVersion}`, () => {
    const assembler = createAssembler();
    const events = decodeStep(capture, "updateDefaultUnchanged")
      .map((message) => assemble(assembler, message));
    const event = events.find((event) => event?.kind === "change");
    assert(event?.kind === "change" && event.change.kind === "update");
    assert.equal(event.change.old, undefined);
    assert.equal(event.change.row.lengths[2], UNCHANGED_LENGTH);
  });

  Deno.test(`assemble() hears of a table once while it stays the same in PG ${serverVersion}`, () => {
    const assembler = createAssembler();
    const events = decodeStep(capture, "announcedAgain").map((message) =>
      assemble(assembler, message)
    );
    const kinds = events.map((event) => event?.kind);
    assert.deepEqual(kinds, ["begin", "relation", "change", undefined, "change", "commit"]);
  });
}
