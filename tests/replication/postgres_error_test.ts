import assert from "node:assert/strict";
import {
  classifyPostgresError,
  ConnectionError,
  describePostgresError,
  findFinalError,
  policyFor,
  type PostgresErrorCode,
} from "../../replication/postgres_error.ts";
import { ProtocolError } from "../../replication/protocol_error.ts";

function serverError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

const CASES: readonly (readonly [string, string, PostgresErrorCode])[] = [
  ["28P01", 'password authentication failed for user "x"', "authenticationFailed"],
  ["28000", 'role "x" does not exist', "authenticationFailed"],
  ["28000", 'no pg_hba.conf entry for host "1.2.3.4", user "x"', "hostRejected"],
  ["28000", 'role "x" is not permitted to replicate; replication', "privilegeMissing"],
  ["3D000", 'database "x" does not exist', "databaseMissing"],
  ["42501", "permission denied for database x", "privilegeMissing"],
  ["42501", "must be superuser or replication role to start walsender", "privilegeMissing"],
  ["42704", 'publication "p" does not exist', "publicationMissing"],
  ["42704", 'replication slot "s" does not exist', "unknown"],
  ["53100", "No space left on device", "diskFull"],
  ["53300", "sorry, too many clients already", "tooManyConnections"],
  [
    "53300",
    "number of requested standby connections exceeds max_wal_senders",
    "walSendersExhausted",
  ],
  ["53400", "all replication slots are in use", "slotsExhausted"],
  ["55000", 'can no longer get changes from replication slot "s"', "slotLost"],
  ["55000", 'can no longer access replication slot "s"', "slotLost"],
  [
    "55000",
    "replication slots can only be used if max_replication_slots > 0",
    "slotsExhausted",
  ],
  ["55000", "logical decoding requires wal_level >= logical", "walLevel"],
  ["55006", 'replication slot "s" is active for PID 1', "slotInUse"],
  ["57P01", "terminating connection due to administrator command", "shutdown"],
  ["57P03", "the database system is starting up", "startingUp"],
  ["58P01", "requested WAL segment 00 has already been removed", "slotLost"],
  ["25006", "cannot execute CREATE PUBLICATION in a read-only transaction", "readOnly"],
  ["08006", "connection failure", "closed"],
  ["CONNECTION_CLOSED", "write CONNECTION_CLOSED h:1", "closed"],
  ["CONNECT_TIMEOUT", "write CONNECT_TIMEOUT h:1", "timeout"],
  ["ECONNREFUSED", "connect ECONNREFUSED", "refused"],
  ["ENOTFOUND", "getaddrinfo ENOTFOUND", "hostUnknown"],
  ["ECONNRESET", "read ECONNRESET", "closed"],
  ["", "invalid peer certificate: UnknownIssuer", "tlsFailed"],
  ["XX000", "something odd", "unknown"],
];

for (const [code, message, expected] of CASES) {
  Deno.test(`classifyPostgresError() knows ${code} "${message}" as ${expected}`, () => {
    assert.equal(classifyPostgresError(serverError(code, message)), expected);
  });
}

Deno.test("classifyPostgresError() knows our own errors and whatever else is thrown", () => {
  assert.equal(classifyPostgresError(new ConnectionError("stalled", "x")), "stalled");
  const broken = new ProtocolError("x", { messageKind: "insert", position: 1 });
  assert.equal(classifyPostgresError(broken), "protocol");
  assert.equal(classifyPostgresError("text"), "unknown");
  assert.equal(classifyPostgresError(undefined), "unknown");
});

Deno.test("policyFor() has a hint for what needs a person", () => {
  const codes = new Set(CASES.map(([, , code]) => code));
  for (const code of codes) {
    const policy = policyFor(code);
    if (policy.isFatal) assert.ok(policy.hint, code);
  }
  assert.equal(policyFor("closed").isFatal, false);
  assert.equal(policyFor("authenticationFailed").isFatal, true);
});

Deno.test("ConnectionError.from() keeps the network's reason before the fallback", () => {
  const refused = ConnectionError.from(serverError("ECONNREFUSED", "no"), "h:1", "tlsFailed");
  assert.equal(refused.code, "refused");
  assert.equal(refused.message, "Cannot connect to h:1: no");
  assert.equal(ConnectionError.from(new Error("bad"), "h:1", "tlsFailed").code, "tlsFailed");
  assert.equal(ConnectionError.from(new Error("bad"), "h:1").code, "unknown");
  assert.equal(ConnectionError.from(refused, "other:1"), refused);
});

Deno.test("describePostgresError() gives message, SQLSTATE and detail on one line", () => {
  assert.equal(describePostgresError(serverError("42501", "denied")), "denied (42501)");
  const detailed = Object.assign(serverError("53400", "full"), { detail: "Free one." });
  assert.equal(describePostgresError(detailed), "full (53400): Free one.");
  assert.equal(describePostgresError(serverError("ECONNRESET", "reset")), "reset");
  assert.equal(describePostgresError("odd"), "odd");
});

/** An ErrorResponse message ('E', length, fields, zero). */
function errorResponse(...fields: string[]): Uint8Array {
  const body = new TextEncoder().encode(fields.join("\0") + "\0\0");
  const bytes = new Uint8Array(5 + body.length);
  bytes[0] = 0x45;
  new DataView(bytes.buffer).setUint32(1, 4 + body.length);
  bytes.set(body, 5);
  return bytes;
}

const FATAL = errorResponse(
  "SPANIQUE",
  "VFATAL",
  "C57P01",
  "Mterminating connection",
  "Fpostgres.c",
);

Deno.test("findFinalError() finds the error at the end of what came last", () => {
  const error = findFinalError(new Uint8Array([...new Uint8Array(9000).fill(69), ...FATAL]));
  assert.equal(error?.message, "terminating connection");
  assert.equal(classifyPostgresError(error), "shutdown");
});

Deno.test("findFinalError() takes nothing else for an error", () => {
  assert.equal(findFinalError(new Uint8Array(0)), undefined);
  assert.equal(findFinalError(new Uint8Array([...FATAL, 0])), undefined);
  assert.equal(findFinalError(errorResponse("SERROR", "VERROR", "C42501", "Mno")), undefined);
  assert.equal(findFinalError(new TextEncoder().encode("VFATAL\0C57P01\0")), undefined);
  for (let length = 0; length < FATAL.length; length++) {
    assert.equal(findFinalError(FATAL.subarray(0, length)), undefined);
  }
});
