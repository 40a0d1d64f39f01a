/**
 * The first packet that a client of Postgres sends: it has no type byte
 * (https://www.postgresql.org/docs/current/protocol-message-formats.html).
 */

export type StartupPacket =
  | { readonly kind: "incomplete" }
  /** Asks for TLS or GSSAPI: the server answers with one byte, after `N` another packet follows. */
  | { readonly kind: "encryption"; readonly length: number }
  | { readonly kind: "cancel"; readonly length: number }
  | {
    readonly kind: "startup";
    readonly length: number;
    readonly parameters: ReadonlyMap<string, string>;
  }
  /** Not the protocol of Postgres. */
  | { readonly kind: "unknown" };

const LENGTH_MIN = 8;
/** As in the server: MAX_STARTUP_PACKET_LENGTH. */
const LENGTH_MAX = 10_000;
const CANCEL_CODE = 80877102;
const SSL_CODE = 80877103;
const GSS_CODE = 80877104;
const MAJOR_VERSION = 3;

/** Decodes what a client has sent so far. Total: any bytes give an answer. */
export function decodeStartupPacket(bytes: Uint8Array): StartupPacket {
  if (bytes.length < LENGTH_MIN) return { kind: "incomplete" };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getUint32(0), code = view.getUint32(4);
  if (length < LENGTH_MIN || length > LENGTH_MAX) return { kind: "unknown" };
  if (bytes.length < length) return { kind: "incomplete" };
  if (code === SSL_CODE || code === GSS_CODE) return { kind: "encryption", length };
  if (code === CANCEL_CODE) return { kind: "cancel", length };
  if (code >>> 16 !== MAJOR_VERSION) return { kind: "unknown" };
  return { kind: "startup", length, parameters: decodeParameters(bytes.subarray(8, length)) };
}

function decodeParameters(bytes: Uint8Array): ReadonlyMap<string, string> {
  const texts = new TextDecoder().decode(bytes).split("\0");
  const parameters = new Map<string, string>();
  for (let at = 0; at + 1 < texts.length && texts[at] !== ""; at += 2) {
    parameters.set(texts[at], texts[at + 1]);
  }
  return parameters;
}

/** True if the connection will be a walsender's: `replication=database` is a logical one. */
export function asksForReplication(parameters: ReadonlyMap<string, string>): boolean {
  const value = parameters.get("replication")?.toLowerCase();
  return value !== undefined && !["", "false", "off", "no", "0"].includes(value);
}
