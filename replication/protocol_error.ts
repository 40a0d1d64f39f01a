/** What every decoder here raises when bytes are not what the protocol says. */

/**
 * Bytes from the server, or their order, break the protocol. Nothing that arrives from outside makes
 * a decoder throw anything else.
 */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
  /** Offset of the offending byte in the message; 0 when the message as a whole is out of place. */
  readonly position: number;
  /** The message's kind, as far as it is known: "insert", "keepalive", … */
  readonly messageKind: string;

  constructor(message: string, options: { messageKind: string; position: number }) {
    super(`${message} (${options.messageKind} message, byte ${options.position})`);
    this.position = options.position;
    this.messageKind = options.messageKind;
  }
}
