/** A filter that cannot be, with the contract's words (WIRE.md 2.6) and maybe a position. */
export class WhereError extends Error {
  override readonly name = "WhereError";

  /** `location` counts UTF-8 bytes. */
  constructor(message: string, location?: number) {
    super(location === undefined ? message : `At location ${location}: ${message}`);
  }
}
