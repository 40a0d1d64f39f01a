/** The bytes that `capture_pgoutput.ts` took from real servers. */

import { Buffer } from "node:buffer";
import { decodePgoutput, type PgoutputMessage } from "../../replication/pgoutput.ts";
import type { Capture } from "./capture_pgoutput.ts";
import pg15 from "../fixtures/pgoutput/15.json" with { type: "json" };
import pg18 from "../fixtures/pgoutput/18.json" with { type: "json" };

/** One for each server version. */
export const CAPTURES: readonly Capture[] = [pg15, pg18];

/** The messages of one step, as they came. Each has a buffer of its own. */
export function bytesOfStep(capture: Capture, step: string): Uint8Array[] {
  const hexes = capture.steps[step];
  if (hexes === undefined) throw new TypeError(`No step "${step}" in ${capture.serverVersion}`);
  return hexes.map((hex) => new Uint8Array(Buffer.from(hex, "hex")));
}

export function decodeStep(capture: Capture, step: string): PgoutputMessage[] {
  return bytesOfStep(capture, step).map(decodePgoutput);
}

/** Every captured message of every version. */
export function allGoldenBytes(): Uint8Array[] {
  return CAPTURES.flatMap((capture) =>
    Object.keys(capture.steps).flatMap((step) => bytesOfStep(capture, step))
  );
}
