/** First packets of clients of Postgres, as bytes. */

const PROTOCOL_3 = 3 << 16;

/** A packet without parameters: a request for encryption or cancellation. */
export function encodeRequestPacket(code: number, ...words: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(8 + 4 * words.length);
  const view = new DataView(bytes.buffer);
  [bytes.length, code, ...words].forEach((word, at) => view.setUint32(4 * at, word));
  return bytes;
}

export const SSL_REQUEST: Uint8Array = encodeRequestPacket(80877103);

export function encodeStartupPacket(parameters: Readonly<Record<string, string>>): Uint8Array {
  const texts = Object.entries(parameters).flat().map((text) => `${text}\0`).join("");
  const body = new TextEncoder().encode(`${texts}\0`);
  const bytes = new Uint8Array(8 + body.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length);
  view.setUint32(4, PROTOCOL_3);
  bytes.set(body, 8);
  return bytes;
}
