import { compareOffsets, formatOffset, type Offset } from "../shapes/offset.ts";
import type { Page, ServedShape } from "../shapes/service.ts";
import type { BodySource } from "./answer.ts";
import type { ServerContext } from "./context.ts";
import { encodeEvent, EventFramer, frameEvents } from "./event_frames.ts";
import { isInFallback } from "./fallback.ts";
import type { SharedParts, Waiter } from "./hold.ts";
import { BODY_PIECE_BYTES } from "./limits.ts";
import type { OpenStream } from "./open_events.ts";
import { PageSource } from "./page_body.ts";
import { isBeyond } from "./plan.ts";
import { EVENT, MUST_REFETCH_ITEM, upToDateItem } from "./protocol.ts";

const encoder = new TextEncoder();
const KEEP_ALIVE = encoder.encode(EVENT.keepAlive);

/**
 * The events of a shape from an offset on: its changes, an up-to-date event whenever there are no
 * more, comments while it is quiet, and must-refetch when the shape is gone. Ends in any case
 * after the configured time, and before that when its headers are no longer right. Remembers only
 * its offset between pulls, so that clients that read slowly get more at once instead of having it
 * buffered.
 */
export class ShapeEvents implements BodySource, OpenStream {
  readonly #context: ServerContext;
  readonly #shape: ServedShape;
  readonly openedMs: number;
  readonly #isFallback: boolean;
  #since: Offset;
  #reading: PageEvents | undefined;
  #waiter: Waiter | undefined;
  #quietSinceMs: number;
  #isLeaving = false;
  #isOver = false;

  constructor(context: ServerContext, shape: ServedShape, since: Offset) {
    this.#context = context;
    this.#shape = shape;
    this.#since = since;
    this.openedMs = context.now();
    this.#quietSinceMs = this.openedMs;
    this.#isFallback = isInFallback(context.service, shape);
    context.events.add(this);
  }

  get isAsOpened(): boolean {
    return isInFallback(this.#context.service, this.#shape) === this.#isFallback;
  }

  leave(): void {
    this.#isLeaving = true;
    this.#waiter?.settle("changed");
  }

  async pull(): Promise<Uint8Array | undefined> {
    while (!this.#isOver) {
      const piece = this.#reading ? await this.#reading.pull() : this.#look() ?? await this.#wait();
      if (piece === undefined) {
        this.#reading = undefined;
      } else if (piece !== "again") {
        this.#quietSinceMs = this.#context.now();
        return piece;
      }
    }
    return undefined;
  }

  close(): void {
    this.#isOver = true;
    this.#context.events.remove(this);
    this.#waiter?.settle("left");
    this.#reading?.close();
    this.#reading = undefined;
  }

  /** Turns to what lies beyond the offset; undefined if that is nothing yet. */
  #look(): Uint8Array | "again" | undefined {
    const since = { kind: "at", offset: this.#since } as const;
    const view = this.#context.holds.of(this.#shape).view(formatOffset(this.#since), since);
    if (view.kind === "gone") {
      this.#isOver = true;
      return encodeEvent(MUST_REFETCH_ITEM);
    }
    const { page, shared, head } = view;
    if (!page || isBeyond(since, head)) return undefined;
    // An empty page may still lead on, past the end of the snapshot.
    const isOnward = compareOffsets(page.until, this.#since) > 0;
    if (!page.hasData && (page.isUpToDate || !isOnward)) return undefined;
    if (page.hasData) this.#reading = new PageEvents(page, shared);
    this.#since = page.until;
    return "again";
  }

  /** Waits for the shape to change; gives the comment of a quiet stream. */
  async #wait(): Promise<Uint8Array | "again"> {
    this.#isOver ||= this.#isLeaving;
    if (this.#isOver) return "again";
    const { holds, config, now } = this.#context;
    const endMs = this.#endMs();
    const keepAliveMs = this.#quietSinceMs + config.sseKeepAliveMs;
    this.#waiter = holds.wait(this.#shape, Math.min(keepAliveMs, endMs));
    const reason = await this.#waiter.woken;
    this.#waiter = undefined;
    if (reason === "changed") return "again";
    if (reason === "timeout" && now() < endMs) return KEEP_ALIVE;
    this.#isOver = true;
    return "again";
  }

  /** Beyond the head the log gets the time that every such request gets. */
  #endMs(): number {
    const { sseTimeoutMs, longPollTimeoutMs } = this.#context.config;
    const isEarly = isBeyond({ kind: "at", offset: this.#since }, this.#shape.head);
    return this.openedMs + (isEarly ? longPollTimeoutMs / 2 : sseTimeoutMs);
  }
}

/** One page as events; ends with up-to-date if nothing lies beyond it. */
class PageEvents implements BodySource {
  readonly #source: PageSource;
  readonly #framer: EventFramer | undefined;
  #end: Uint8Array | undefined;

  constructor(page: Page, shared: SharedParts) {
    const lastEvent = page.isUpToDate
      ? encodeEvent(upToDateItem(page.until.lsn))
      : new Uint8Array(0);
    if (page.body.kind === "bytes" && page.body.bytes.length <= BODY_PIECE_BYTES) {
      shared.events ??= frameEvents(page.body.bytes, lastEvent);
      this.#source = new PageSource({ kind: "bytes", bytes: shared.events });
    } else {
      this.#source = new PageSource(page.body);
      this.#framer = new EventFramer();
      this.#end = lastEvent;
    }
  }

  async pull(): Promise<Uint8Array | undefined> {
    const piece = await this.#source.pull();
    if (piece) return this.#framer ? this.#framer.frame(piece) : piece;
    const end = this.#end;
    this.#end = undefined;
    return end && this.#framer?.finish(end);
  }

  close(): void {
    this.#end = undefined;
    this.#source.close();
  }
}
