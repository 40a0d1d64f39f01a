/**
 * A strict client (`log_replayer.ts`) of one shape, which may be sent back to start only if a crash has
 * lost what it had read.
 */

import { ok } from "node:assert/strict";
import { ShapeGoneError } from "../../shapes/errors.ts";
import { compareOffsets, type Offset, type RequestedOffset } from "../../shapes/offset.ts";
import type { Page, PageBody } from "../../shapes/service.ts";
import type { Shape } from "../../shapes/shape.ts";
import { isItem, LogReplayer, type Message, parseMessages } from "./log_replayer.ts";

/** So often it goes on from `<lsn>_0`, as clients of event streams do when they come back. */
const READS_PER_STEP_BACK = 3;

export class SimulatedClient {
  readonly #replayer = new LogReplayer();
  #since: RequestedOffset & { kind: "before" | "at" } = { kind: "before" };
  /** All that it has read, which may be more than where it goes on. */
  #until: Offset | undefined;
  #reads = 0;
  /** A crash has lost what it had read. */
  #isAhead = false;

  /** `id`, `n` and `v` of what it has. */
  get rows(): unknown[] {
    return this.#replayer.values().map(({ id, n, v }) => [id, n, v]);
  }

  /** The server has crashed, and this is what came back of the shape. */
  noteCrash({ appended }: Shape): void {
    this.#isAhead ||= this.#until !== undefined && compareOffsets(this.#until, appended) > 0;
  }

  /** Reads all that is to be read; false if it is sent back to start. */
  async read(shape: Shape): Promise<boolean> {
    for (;;) {
      const page = this.#page(shape);
      if (page === "lost") return false;
      // A client that is ahead of a restarted server is held.
      if (!page || this.#isBeyond(shape)) return true;
      this.#take(parseMessages(await bytesOf(page.body)), page.until);
      if (!page.isUpToDate) continue;
      ok(this.#replayer.isAtTransactionEnd, "a transaction is shown in part");
      this.#stepBack(page.until);
      return true;
    }
  }

  #take(messages: readonly Message[], until: Offset): void {
    const since = this.#since, known = this.#until;
    const isBack = known && since.kind === "at" && compareOffsets(since.offset, known) < 0;
    const news = isBack ? messages.filter((message) => !isUpTo(known, message)) : messages;
    this.#replayer.apply(news);
    this.#since = { kind: "at", offset: until };
    if (!isBack || compareOffsets(until, known) > 0) this.#until = until;
  }

  #stepBack({ lsn }: Offset): void {
    if (lsn === 0n || ++this.#reads % READS_PER_STEP_BACK > 0) return;
    this.#since = { kind: "at", offset: { lsn, op: 0 } };
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

/** What comes once more to a client that has gone back. */
function isUpTo(known: Offset, message: Message): boolean {
  const { lsn, op_position: op } = isItem(message) ? message.headers : {};
  if (lsn === undefined || op === undefined) return false;
  return compareOffsets({ lsn: BigInt(lsn), op }, known) <= 0;
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
