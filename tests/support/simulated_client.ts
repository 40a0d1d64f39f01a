/**
 * A strict client (`log_replayer.ts`) of one shape, which may be sent back to start only if a crash has
 * lost what it had read.
 */

import { ok } from "node:assert/strict";
import { ShapeGoneError } from "../../shapes/errors.ts";
import { compareOffsets, type RequestedOffset } from "../../shapes/offset.ts";
import type { Page, PageBody } from "../../shapes/service.ts";
import type { Shape } from "../../shapes/shape.ts";
import { LogReplayer } from "./log_replayer.ts";

export class SimulatedClient {
  readonly #replayer = new LogReplayer();
  #since: RequestedOffset & { kind: "before" | "at" } = { kind: "before" };
  /** A crash has lost what it had read. */
  #isAhead = false;

  /** `id`, `n` and `v` of what it has. */
  get rows(): unknown[] {
    return this.#replayer.values().map(({ id, n, v }) => [id, n, v]);
  }

  /** The server has crashed, and this is what came back of the shape. */
  noteCrash({ appended }: Shape): void {
    const since = this.#since;
    this.#isAhead ||= since.kind === "at" && compareOffsets(since.offset, appended) > 0;
  }

  /** Reads all that is to be read; false if it is sent back to start. */
  async read(shape: Shape): Promise<boolean> {
    for (;;) {
      const page = this.#page(shape);
      if (page === "lost") return false;
      // A client that is ahead of a restarted server is held.
      if (!page || this.#isBeyond(shape)) return true;
      this.#replayer.read(await bytesOf(page.body));
      this.#since = { kind: "at", offset: page.until };
      if (!page.isUpToDate) continue;
      ok(this.#replayer.isAtTransactionEnd, "a transaction is shown in part");
      return true;
    }
  }

  #isBeyond({ head }: Shape): boolean {
    const since = this.#since;
    return since.kind === "at" && compareOffsets(since.offset, head) > 0;
  }

  #page(shape: Shape): Page | "lost" | undefined {
    try {
      return shape.page(this.#since);
    } catch (error) {
      ok(error instanceof ShapeGoneError && this.#isAhead, `${error}`);
      return "lost";
    }
  }
}

async function bytesOf(body: PageBody): Promise<Uint8Array> {
  if (body.kind === "bytes") return body.bytes;
  const pieces: Uint8Array[] = [];
  const iterator = body.open();
  for (let next = await iterator.next(); !next.done; next = await iterator.next()) {
    pieces.push(next.value);
  }
  return new Uint8Array(await new Blob(pieces.map((piece) => piece.slice())).arrayBuffer());
}
