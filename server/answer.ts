/** An answer on its way to a `Response`: what is specific to it, before the headers all share. */

export type HeaderPair = [name: string, value: string];

export interface Answer {
  readonly status: number;
  readonly headers: readonly HeaderPair[];
  readonly body: AnswerBody;
  /** Carries `electric-fallback-mode`: see `isInFallback`. */
  readonly isFallback?: boolean;
}

export type AnswerBody =
  | { readonly kind: "none" }
  /** May be shared between answers. */
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  | {
    readonly kind: "stream";
    readonly source: BodySource;
    /** Waits for its turn when many are being sent: see `SendSlots`. */
    readonly isQueued: boolean;
  };

/** A body made piece by piece, as the client takes it. */
export interface BodySource {
  /** The next piece, when there is one; undefined at the end. Not called again before it settled. */
  pull(): Promise<Uint8Array | undefined>;
  /** Gives up what the source holds, and settles a pull that waits. Harmless when repeated. */
  close(): void;
}

export const NO_BODY: AnswerBody = { kind: "none" };

const encoder = new TextEncoder();

export function textBody(text: string): AnswerBody {
  return { kind: "bytes", bytes: encoder.encode(text) };
}

export function jsonBody(value: unknown): AnswerBody {
  return textBody(JSON.stringify(value));
}
