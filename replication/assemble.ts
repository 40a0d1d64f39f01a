/**
 * Turns decoded messages into the domain's stream events: remembers what relations look like, checks
 * that transactions are whole, and completes rows. Holds back nothing: each message gives its event
 * at once.
 */

import type { Change, Relation, RelationColumn, StreamEvent } from "../shapes/change.ts";
import { Row, UNCHANGED_LENGTH } from "../shapes/row.ts";
import type { PgoutputMessage } from "./pgoutput.ts";
import { ProtocolError } from "./protocol_error.ts";

/** State of one stream. Only `assemble` and `resetAssembler` change it. */
export interface Assembler {
  /** By oid: the latest announcement of each, for the server sends it once a connection. */
  readonly relations: Map<number, Relation>;
  /** `commitLsn` of the transaction being read. */
  openCommitLsn: bigint | undefined;
  /** When the transaction that was begun last was committed, by the server's clock. */
  committedAtMs: number;
}

export function createAssembler(): Assembler {
  return { relations: new Map(), openCommitLsn: undefined, committedAtMs: 0 };
}

/** To be called when a stream is opened again: the server will announce every relation anew. */
export function resetAssembler(assembler: Assembler): void {
  assembler.relations.clear();
  assembler.openCommitLsn = undefined;
}

/** Whether a begin was read whose commit was not. */
export function isInTransaction(assembler: Assembler): boolean {
  return assembler.openCommitLsn !== undefined;
}

/**
 * The event that a message makes, or undefined when it makes none: types, origins, logical messages
 * and announcements that say nothing new (the relation object stays the same). Throws
 * `ProtocolError` for messages out of order, and for changes of relations that were not announced or
 * have other columns.
 */
export function assemble(assembler: Assembler, message: PgoutputMessage): StreamEvent | undefined {
  switch (message.kind) {
    case "insert":
    case "update":
    case "delete":
    case "truncate":
      return { kind: "change", change: toChange(assembler, message) };
    case "begin":
      return begin(assembler, message);
    case "commit":
      return commit(assembler, message);
    case "relation":
      return announce(assembler, message.relation);
    case "type":
    case "origin":
    case "message":
      return undefined;
  }
}

type Kind<K extends PgoutputMessage["kind"]> = PgoutputMessage & { kind: K };

function begin(assembler: Assembler, message: Kind<"begin">): StreamEvent {
  if (isInTransaction(assembler)) refuse("begin", "Transaction begins inside another one");
  assembler.openCommitLsn = message.commitLsn;
  assembler.committedAtMs = message.committedAtMs;
  return { kind: "begin", commitLsn: message.commitLsn, xid: message.xid };
}

function commit(assembler: Assembler, message: Kind<"commit">): StreamEvent {
  const expected = assembler.openCommitLsn;
  if (expected === undefined) refuse("commit", "Commit outside a transaction");
  // The rule is the server's own (apply_handle_commit in worker.c).
  if (expected !== message.commitLsn) {
    refuse("commit", `Commit at LSN ${message.commitLsn} of a transaction begun for ${expected}`);
  }
  assembler.openCommitLsn = undefined;
  return { kind: "commit", endLsn: message.endLsn };
}

function announce(assembler: Assembler, relation: Relation): StreamEvent | undefined {
  const known = assembler.relations.get(relation.oid);
  // Any invalidation makes the server announce again (an ANALYZE will do), so sameness is common.
  if (known !== undefined && isSameRelation(known, relation)) return undefined;
  assembler.relations.set(relation.oid, relation);
  return { kind: "relation", relation };
}

function isSameRelation(a: Relation, b: Relation): boolean {
  return a.schema === b.schema && a.name === b.name && a.identity === b.identity &&
    a.columns.length === b.columns.length &&
    a.columns.every((column, i) => isSameColumn(column, b.columns[i]));
}

function isSameColumn(a: RelationColumn, b: RelationColumn): boolean {
  return a.name === b.name && a.typeOid === b.typeOid && a.typeMod === b.typeMod &&
    a.isIdentity === b.isIdentity;
}

function toChange(
  assembler: Assembler,
  message: Kind<"insert" | "update" | "delete" | "truncate">,
): Change {
  if (!isInTransaction(assembler)) refuse(message.kind, "Change outside a transaction");
  if (message.kind === "truncate") {
    const relations = message.relationOids.map((oid) => relationOf(assembler, oid, "truncate"));
    return { kind: "truncate", relations };
  }
  const relation = relationOf(assembler, message.relationOid, message.kind);
  switch (message.kind) {
    case "insert":
      expectWidth(relation, message.row, "insert");
      return { kind: "insert", relation, row: message.row };
    case "update":
      return toUpdate(relation, message);
    case "delete":
      expectWidth(relation, message.old, "delete");
      return { kind: "delete", relation, old: message.old, isKeyOnly: message.isKeyOnly };
  }
}

function toUpdate(relation: Relation, message: Kind<"update">): Change {
  const { row, old, isKeyOnly } = message;
  expectWidth(relation, row, "update");
  if (old === undefined) return { kind: "update", relation, row, old, isKeyOnly: false };
  expectWidth(relation, old, "update");
  const filled = isKeyOnly ? row : fillUnchanged(row, old);
  return { kind: "update", relation, row: filled, old, isKeyOnly };
}

/** Takes the values that the stream left out of `row`, being unchanged, from the full old row. */
function fillUnchanged(row: Row, old: Row): Row {
  if (!row.lengths.includes(UNCHANGED_LENGTH)) return row;
  // Both tuples lie in one message, so the filled row only points elsewhere in the same bytes.
  if (row.bytes !== old.bytes) throw new TypeError("Old and new row come from different messages");
  const isUnchanged = (column: number) => row.lengths[column] === UNCHANGED_LENGTH;
  return new Row(
    row.bytes,
    row.starts.map((start, i) => isUnchanged(i) ? old.starts[i] : start),
    row.lengths.map((length, i) => isUnchanged(i) ? old.lengths[i] : length),
  );
}

function relationOf(assembler: Assembler, oid: number, messageKind: string): Relation {
  return assembler.relations.get(oid) ?? refuse(messageKind, `Relation ${oid} was not announced`);
}

function expectWidth(relation: Relation, row: Row, messageKind: string): void {
  const count = row.lengths.length;
  if (count === relation.columns.length) return;
  refuse(
    messageKind,
    `Row of ${count} columns for "${relation.schema}"."${relation.name}" with ${relation.columns.length}`,
  );
}

function refuse(messageKind: string, message: string): never {
  throw new ProtocolError(message, { messageKind, position: 0 });
}
