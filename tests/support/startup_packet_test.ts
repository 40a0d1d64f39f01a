import assert from "node:assert/strict";
import fc from "fast-check";
import { check } from "./arbitrary.ts";
import { asksForReplication, decodeStartupPacket } from "./startup_packet.ts";
import { encodeRequestPacket, encodeStartupPacket, SSL_REQUEST } from "./startup_packet_bytes.ts";

function parametersOf(bytes: Uint8Array): ReadonlyMap<string, string> | undefined {
  const packet = decodeStartupPacket(bytes);
  return packet.kind === "startup" ? packet.parameters : undefined;
}

Deno.test("decodeStartupPacket() reads the parameters and leaves what follows alone", () => {
  const bytes = encodeStartupPacket({ user: "electric", database: "app", replication: "database" });
  assert.deepEqual(decodeStartupPacket(Uint8Array.of(...bytes, 1, 2, 3)), {
    kind: "startup",
    length: bytes.length,
    parameters: new Map([["user", "electric"], ["database", "app"], ["replication", "database"]]),
  });
});

Deno.test("decodeStartupPacket() tells requests for encryption and cancellation apart", () => {
  assert.deepEqual(decodeStartupPacket(SSL_REQUEST), { kind: "encryption", length: 8 });
  assert.deepEqual(decodeStartupPacket(encodeRequestPacket(80877104)), {
    kind: "encryption",
    length: 8,
  });
  assert.deepEqual(decodeStartupPacket(encodeRequestPacket(80877102, 12, 34)), {
    kind: "cancel",
    length: 16,
  });
});

Deno.test("decodeStartupPacket() waits for the rest at every cut", () => {
  const bytes = encodeStartupPacket({ user: "electric", application_name: "ünï" });
  for (let cut = 0; cut < bytes.length; cut++) {
    assert.deepEqual(decodeStartupPacket(bytes.subarray(0, cut)), { kind: "incomplete" });
  }
  assert.equal(parametersOf(bytes)?.get("application_name"), "ünï");
});

Deno.test("decodeStartupPacket() knows what is not the protocol of Postgres", () => {
  const http = new TextEncoder().encode("GET /v1/health HTTP/1.1\r\n\r\n");
  assert.deepEqual(decodeStartupPacket(http), { kind: "unknown" });
  assert.deepEqual(decodeStartupPacket(encodeRequestPacket(2 << 16)), { kind: "unknown" });
});

Deno.test("decodeStartupPacket() answers for any bytes", () => {
  check(fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
    const packet = decodeStartupPacket(bytes);
    assert(!("length" in packet) || packet.length <= bytes.length);
  }));
});

Deno.test("asksForReplication() knows logical, physical and no replication", () => {
  const asks = (value: string | undefined) =>
    asksForReplication(new Map(value === undefined ? [] : [["replication", value]]));
  assert.deepEqual(["database", "true", "on", "1", "yes"].map(asks), Array(5).fill(true));
  assert.deepEqual([undefined, "false", "off", "0", "no"].map(asks), Array(5).fill(false));
});
