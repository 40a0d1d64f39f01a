import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import {
  CopyBundler,
  copyMessageEnd,
  MESSAGE_HEADER_BYTES,
} from "../../replication/copy_bundle.ts";

interface Message {
  readonly kind: string;
  readonly payload: Uint8Array;
}

function encode({ kind, payload }: Message): Buffer {
  const header = Buffer.alloc(MESSAGE_HEADER_BYTES);
  header.write(kind, "latin1");
  header.writeUInt32BE(payload.length + 4, 1);
  return Buffer.concat([header, payload]);
}

function decode(bytes: Uint8Array): Message[] {
  const messages: Message[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = copyMessageEnd(bytes, at);
    assert.ok(end <= bytes.length, "A message is cut");
    const payload = new Uint8Array(bytes.subarray(at + MESSAGE_HEADER_BYTES, end));
    messages.push({ kind: String.fromCharCode(bytes[at]), payload });
    at = end;
  }
  return messages;
}

/** What the driver gets, message by message. */
function bundled(chunks: readonly Uint8Array[]): Message[] {
  const passed: Uint8Array[] = [];
  const bundler = new CopyBundler((bytes) => passed.push(new Uint8Array(bytes)));
  for (const chunk of chunks) bundler.push(Buffer.from(chunk));
  return decode(Buffer.concat(passed));
}

function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const sorted = places.map((place) => place % (bytes.length + 1)).toSorted((a, b) => a - b);
  return [...sorted, bytes.length].map((end, i) => bytes.subarray(sorted[i - 1] ?? 0, end));
}

function message(kind: string, size = 3): Message {
  return { kind, payload: new Uint8Array(size).fill(size) };
}

const short = fc.uint8Array({ maxLength: 40 });
const long = fc.nat({ max: 200_000 }).map((size) => new Uint8Array(size).fill(size));
const payload = fc.oneof({ weight: 12, arbitrary: short }, { weight: 1, arbitrary: long });
const ofKinds = (...kinds: string[]) => fc.record({ kind: fc.constantFrom(...kinds), payload });
const copy = fc.tuple(
  fc.array(ofKinds("T", "D", "C", "Z", "N"), { maxLength: 5 }),
  ofKinds("H", "W"),
  fc.array(ofKinds("d", "d", "d", "d", "N", "S"), { maxLength: 30 }),
  ofKinds("c", "E"),
).map(([before, start, data, end]) => [...before, start, ...data, end]);

Deno.test("CopyBundler passes on every message, however the bytes are cut", () => {
  fc.assert(fc.property(
    fc.array(copy, { minLength: 1, maxLength: 3 }).map((copies) => copies.flat()),
    fc.array(fc.nat(), { maxLength: 20 }),
    (messages, places) => {
      const got = bundled(cut(Buffer.concat(messages.map(encode)), places));
      const unpacked = got.flatMap((each) => each.kind === "d" ? decode(each.payload) : [each]);
      assert.deepEqual(
        unpacked,
        messages.map(({ kind, payload }) => ({
          kind,
          payload: new Uint8Array(payload),
        })),
      );
    },
  ));
});

Deno.test("CopyBundler makes one message of the copy data of one read", () => {
  const messages = [message("H"), ...Array(50).fill(message("d")), message("c"), message("Z")];
  const kinds = bundled([Buffer.concat(messages.map(encode))]).map(({ kind }) => kind);
  assert.deepEqual(kinds, ["H", "d", "c", "Z"]);
});

Deno.test("CopyBundler does not hold back a message that is whole", () => {
  const first = [message("W"), message("d")].map(encode);
  const half = encode(message("d")).subarray(0, 6);
  assert.equal(bundled([...first, half]).length, 2);
});

Deno.test("CopyBundler passes long messages on as they come", () => {
  let passed = 0;
  const bundler = new CopyBundler((bytes) => passed += bytes.length);
  bundler.push(encode(message("H")));
  const bytes = encode(message("d", 1_000_000));
  for (let at = 0; at < 500_000; at += 1_000) bundler.push(bytes.subarray(at, at + 1_000));
  assert.ok(passed > 400_000);
});

Deno.test("CopyBundler leaves alone what looks like copy data outside of a copy", () => {
  const messages = [message("D"), message("d"), message("d"), message("Z")];
  assert.deepEqual(bundled(messages.map(encode)), messages);
});
