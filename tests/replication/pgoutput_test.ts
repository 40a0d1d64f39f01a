import assert from "node:assert/strict";
import fc from "fast-check";
import { decodePgoutput } from "../../replication/pgoutput.ts";
import { ProtocolError } from "../../replication/protocol_error.ts";
import { type Row, UNCHANGED_LENGTH } from "../../shapes/row.ts";
import { allGoldenBytes } from "../support/golden_pgoutput.ts";

Deno.test("decodePgoutput() answers mutated golden messages with a message or a ProtocolError", () => {
  const seed = Date.now() % 2 ** 31;
  console.log(`seed ${seed}`);
  const mutation = fc.record({
    at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    byte: fc.oneof(fc.nat(255), fc.constantFrom(0, 0x7f, 0x80, 0xff)),
  });
  fc.assert(
    fc.property(
      fc.constantFrom(...allGoldenBytes()),
      fc.array(mutation, { minLength: 1, maxLength: 8 }),
      fc.nat(3),
      (golden, mutations, cut) => {
        const data = golden.slice(0, Math.max(1, golden.length - (cut === 3 ? 1 : 0)));
        // Favour the front, where the counts and tags are.
        for (const { at, byte } of mutations) data[Math.floor(at ** 3 * data.length)] = byte;
        checkTotal(data);
      },
    ),
    { seed, numRuns: 5000 },
  );
});

Deno.test("decodePgoutput() answers any bytes with a message or a ProtocolError", () => {
  const seed = Date.now() % 2 ** 31;
  console.log(`seed ${seed}`);
  const tags = [..."BCRIUDTYOM"].map((tag) => tag.charCodeAt(0));
  const data = fc.tuple(fc.constantFrom(...tags), fc.uint8Array({ maxLength: 60 }))
    .map(([tag, rest]) => Uint8Array.of(tag, ...rest));
  fc.assert(fc.property(data, checkTotal), { seed, numRuns: 2000 });
});

/** A message whose rows lie inside the bytes, or a ProtocolError whose position does. */
function checkTotal(data: Uint8Array): void {
  try {
    const message = decodePgoutput(data);
    if ("row" in message) checkInside(message.row, data);
    if ("old" in message && message.old) checkInside(message.old, data);
  } catch (error) {
    assert(isProtocolError(error), `${error}`);
    assert(error.position >= 0 && error.position <= data.length);
  }
}

function checkInside(row: Row, data: Uint8Array): void {
  assert.equal(row.bytes, data);
  assert.equal(row.starts.length, row.lengths.length);
  row.lengths.forEach((length, i) => {
    assert(length >= UNCHANGED_LENGTH);
    assert(row.starts[i] + Math.max(0, length) <= data.length);
  });
}

function isProtocolError(error: unknown): error is ProtocolError {
  return error instanceof ProtocolError;
}

/** Bytes from strings (as UTF-8) and numbers (one byte each). */
function bytes(...parts: (string | number)[]): Uint8Array {
  const encoder = new TextEncoder();
  return Uint8Array.from(
    parts.flatMap((part) => typeof part === "number" ? [part] : [...encoder.encode(part)]),
  );
}

const OID = [0, 0, 64, 0];
const LSN = [0, 0, 0, 0, 0, 0, 0, 9];

const BROKEN: readonly [string, Uint8Array, RegExp][] = [
  ["an empty message", bytes(), /Empty message/],
  ["an unknown tag", bytes("Z"), /Unknown message tag 90/],
  [
    "a tuple that claims 65535 columns in 3 bytes",
    bytes("I", ...OID, "N", 255, 255, "nnn"),
    /cut short before column 4 of 65535/,
  ],
  ["a truncated tuple", bytes("I", ...OID, "N", 0, 2, "n"), /cut short before column 2 of 2/],
  ["a truncated length", bytes("I", ...OID, "N", 0, 1, "t", 0, 0), /in the length of column 1/],
  [
    "a negative length",
    bytes("I", ...OID, "N", 0, 1, "t", 255, 255, 255, 254, "xx"),
    /Length -2 of column 1 of 1 is impossible/,
  ],
  [
    "a length beyond the message",
    bytes("I", ...OID, "N", 0, 1, "t", 0x7f, 255, 255, 255, "x"),
    /Length 2147483647 of column 1 of 1 is impossible with 1 bytes left/,
  ],
  [
    "a binary column",
    bytes("I", ...OID, "N", 0, 1, "b", 0, 0, 0, 1, 7),
    /Format "b" of column 1 of 1 is not text/,
  ],
  ["an old tuple in an insert", bytes("I", ...OID, "O", 0, 0), /Tuple tag 79 has no place/],
  ["a new tuple in a delete", bytes("D", ...OID, "N", 0, 0), /Tuple tag 78 has no place/],
  ["an update without a new tuple", bytes("U", ...OID, "K", 0, 0, "K", 0, 0), /Tuple tag 75/],
  ["two messages in one", bytes("I", ...OID, "N", 0, 0, "I"), /1 bytes too many/],
  [
    "an unknown replica identity",
    bytes("R", ...OID, "s", 0, "t", 0, "x", 0, 0),
    /Unknown replica identity "x"/,
  ],
  [
    "a relation that claims 65535 columns",
    bytes("R", ...OID, "s", 0, "t", 0, "d", 255, 255, 0, "c", 0, ...OID, ...OID),
    /Cut short/,
  ],
  ["a name that is not UTF-8", bytes("R", ...OID, 0xff, 0, "t", 0, "d", 0, 0), /not valid UTF-8/],
  ["a name without an end", bytes("Y", ...OID, "s", 0, "mood"), /Name without an end/],
  [
    "a truncation of four billion relations",
    bytes("T", 255, 255, 255, 255, 0, ...OID),
    /4294967295 relations announced in 4 bytes/,
  ],
  ["a truncation with a rest", bytes("T", 0, 0, 0, 1, 0, ...OID, 0), /1 relations announced in 5/],
  ["unknown commit flags", bytes("C", 1, ...LSN, ...LSN, ...LSN), /Unknown flags 1/],
  [
    "a negative content length",
    bytes("M", 0, ...LSN, "p", 0, 255, 255, 255, 255),
    /Negative length/,
  ],
  ["a content longer than the message", bytes("M", 0, ...LSN, "p", 0, 0, 0, 0, 2, 1), /Cut short/],
];

for (const [what, data, expected] of BROKEN) {
  Deno.test(`decodePgoutput() rejects ${what}`, () => {
    assert.throws(() => decodePgoutput(data), (error) => {
      assert(isProtocolError(error));
      assert.match(error.message, expected);
      return true;
    });
  });
}

Deno.test("decodePgoutput() names the message kind and the byte that is wrong", () => {
  const cases: [Uint8Array, string, number][] = [
    [bytes("I", ...OID, "N", 0, 2, "n", "b"), "insert", 9],
    [bytes("I", ...OID, "K"), "insert", 5],
    [bytes("D", ...OID, "K", 0, 0, 9), "delete", 8],
    [bytes("B", ...LSN), "begin", 9],
    [bytes("Z"), "pgoutput", 0],
  ];
  for (const [data, messageKind, position] of cases) {
    assert.throws(() => decodePgoutput(data), { name: "ProtocolError", messageKind, position });
  }
});

Deno.test("decodePgoutput() rejects the messages of later protocol versions by name", () => {
  for (const tag of "SEcAbPKrp") {
    assert.throws(
      () => decodePgoutput(bytes(tag, ...LSN)),
      new RegExp(`Message "${tag}" \\([a-z ]+\\) does not belong to protocol version 1`),
    );
  }
});

Deno.test("decodePgoutput() reads the nameless schema as pg_catalog", () => {
  const type = decodePgoutput(bytes("Y", ...OID, 0, "int4", 0));
  assert.deepEqual(type, { kind: "type", oid: 16384, schema: "pg_catalog", name: "int4" });
  const relation = decodePgoutput(bytes("R", ...OID, 0, "t", 0, "n", 0, 0));
  assert(relation.kind === "relation");
  assert.equal(relation.relation.schema, "pg_catalog");
});

Deno.test("decodePgoutput() reads numbers above 31 bits without sign", () => {
  const high = [255, 255, 255, 255];
  const begin = decodePgoutput(bytes("B", ...high, ...high, ...Array(8).fill(0), ...high));
  assert(begin.kind === "begin");
  assert.equal(begin.xid, 2 ** 32 - 1);
  assert.equal(begin.commitLsn, (1n << 64n) - 1n);
  const insert = decodePgoutput(bytes("I", ...high, "N", 0, 0));
  assert(insert.kind === "insert");
  assert.equal(insert.relationOid, 2 ** 32 - 1);
});

Deno.test("decodePgoutput() reads the options of a truncation", () => {
  for (const options of [0, 1, 2, 3]) {
    const message = decodePgoutput(bytes("T", 0, 0, 0, 1, options, ...OID));
    assert.deepEqual(message, {
      kind: "truncate",
      relationOids: [16384],
      isCascade: (options & 1) !== 0,
      isRestartIdentity: (options & 2) !== 0,
    });
  }
});
