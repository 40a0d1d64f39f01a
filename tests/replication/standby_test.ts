import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { POSTGRES_EPOCH_MS } from "../../replication/bytes.ts";
import { ProtocolError } from "../../replication/protocol_error.ts";
import { decodeStandby, encodeStatusUpdate } from "../../replication/standby.ts";

const MAX_LSN = (1n << 64n) - 1n;

function xlogData(walStart: bigint, walEnd: bigint, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(25 + data.length);
  const view = new DataView(bytes.buffer);
  bytes[0] = "w".charCodeAt(0);
  view.setBigUint64(1, walStart);
  view.setBigUint64(9, walEnd);
  bytes.set(data, 25);
  return bytes;
}

function keepalive(walEnd: bigint, reply: number): Uint8Array {
  const bytes = new Uint8Array(18);
  bytes[0] = "k".charCodeAt(0);
  new DataView(bytes.buffer).setBigUint64(1, walEnd);
  bytes[17] = reply;
  return bytes;
}

Deno.test("decodeStandby() reads WAL data and leaves its content in place", () => {
  const bytes = xlogData(0x16b3748n, MAX_LSN, Uint8Array.of(1, 2, 3));
  const message = decodeStandby(bytes);
  assert(message.kind === "xlogData");
  assert.equal(message.walStart, 0x16b3748n);
  assert.equal(message.walEnd, MAX_LSN);
  assert.deepEqual(message.data, Uint8Array.of(1, 2, 3));
  assert.equal(message.data.buffer, bytes.buffer);
});

Deno.test("decodeStandby() reads a message that lies inside a larger buffer", () => {
  const inner = xlogData(1n, 2n, Uint8Array.of(9));
  const outer = new Uint8Array(inner.length + 20).fill(0xee);
  outer.set(inner, 7);
  const message = decodeStandby(outer.subarray(7, 7 + inner.length));
  assert.deepEqual(message, {
    kind: "xlogData",
    walStart: 1n,
    walEnd: 2n,
    sentAtMs: POSTGRES_EPOCH_MS,
    data: Uint8Array.of(9),
  });
});

Deno.test("decodeStandby() reads keepalives, with and without a reply requested", () => {
  assert.deepEqual(decodeStandby(keepalive(77n, 0)), {
    kind: "keepalive",
    walEnd: 77n,
    isReplyRequested: false,
  });
  assert.deepEqual(decodeStandby(keepalive(MAX_LSN, 1)), {
    kind: "keepalive",
    walEnd: MAX_LSN,
    isReplyRequested: true,
  });
});

Deno.test("decodeStandby() rejects messages cut anywhere before their content", () => {
  for (const whole of [xlogData(1n, 2n, new Uint8Array()), keepalive(1n, 1)]) {
    for (let length = 0; length < whole.length; length++) {
      assert.throws(() => decodeStandby(whole.subarray(0, length)), ProtocolError, `${length}`);
    }
  }
});

Deno.test("decodeStandby() rejects a keepalive that is too long, and unknown tags", () => {
  assert.throws(() => decodeStandby(Uint8Array.of(...keepalive(1n, 1), 0)), /1 bytes too many/);
  assert.throws(() => decodeStandby(Uint8Array.of(0x7a)), /Unknown message tag 122/);
  assert.throws(() => decodeStandby(new Uint8Array()), /Empty message/);
});

Deno.test("decodeStandby() answers any bytes with a message or a ProtocolError", () => {
  const seed = Date.now() % 2 ** 31;
  console.log(`seed ${seed}`);
  const tagged = fc.tuple(fc.constantFrom(0x77, 0x6b, 0x72), fc.uint8Array({ maxLength: 40 }))
    .map(([tag, rest]) => Uint8Array.of(tag, ...rest));
  fc.assert(
    fc.property(fc.oneof(tagged, fc.uint8Array({ maxLength: 40 })), (bytes) => {
      try {
        const { kind } = decodeStandby(bytes);
        return kind === "xlogData" ? bytes.length >= 25 : bytes.length === 18;
      } catch (error) {
        return error instanceof ProtocolError;
      }
    }),
    { seed },
  );
});

Deno.test("encodeStatusUpdate() writes the 34 bytes of the protocol", () => {
  const bytes = encodeStatusUpdate({
    written: 0x0102030405060708n,
    flushed: 2n,
    applied: MAX_LSN,
    nowMs: POSTGRES_EPOCH_MS + 1.5,
    isReplyRequested: true,
  });
  assert.equal(
    Buffer.from(bytes).toString("hex"),
    "72" + "0102030405060708" + "0000000000000002" + "ffffffffffffffff" + "00000000000005dc" + "01",
  );
});

Deno.test("encodeStatusUpdate() asks for no reply unless told, and takes today's clock", () => {
  const nowMs = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
  const bytes = encodeStatusUpdate({ written: 1n, flushed: 1n, applied: 1n, nowMs });
  assert.equal(bytes.length, 34);
  assert.equal(bytes[33], 0);
  const micros = new DataView(bytes.buffer).getBigInt64(25);
  assert.equal(micros, BigInt(nowMs - POSTGRES_EPOCH_MS) * 1000n);
});

Deno.test("encodeStatusUpdate() refuses to wrap an LSN", () => {
  const good = { written: 1n, flushed: 1n, applied: 1n, nowMs: 0 };
  for (const field of ["written", "flushed", "applied"] as const) {
    for (const lsn of [-1n, 1n << 64n]) {
      assert.throws(() => encodeStatusUpdate({ ...good, [field]: lsn }), RangeError);
    }
  }
});
