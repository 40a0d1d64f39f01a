import type { Offset, RequestedOffset } from "../shapes/offset.ts";
import type { Page, ServedShape } from "../shapes/service.ts";
import { ShapeGoneError } from "../shapes/errors.ts";
import type { Deadline, Deadlines, DeadlineTarget } from "./deadlines.ts";
import type { Answer } from "./answer.ts";
import { IDLE_WATCH_MS, SHARED_VIEWS_MAX } from "./limits.ts";

/** Why a wait ended. `left`: the client is gone, the answer matters to nobody. */
export type WakeReason = "changed" | "timeout" | "shutdown" | "left";

/** A shape as seen from one offset at one moment. */
export type ShapeView =
  | { readonly kind: "gone" }
  | {
    readonly kind: "open";
    readonly head: Offset;
    /** Undefined while the snapshot is still being read there. */
    readonly page: Page | undefined;
    /** Made once and shared by all who look from the same offset when a wake-up comes. */
    readonly shared: SharedParts;
  };

export interface SharedParts {
  answer?: Answer;
  events?: Uint8Array;
}

type PagePosition = RequestedOffset & { kind: "before" | "at" };

export function viewShape(shape: ServedShape, since: PagePosition): ShapeView {
  if (shape.isGone) return { kind: "gone" };
  try {
    return { kind: "open", head: shape.head, page: shape.page(since), shared: {} };
  } catch (error) {
    if (error instanceof ShapeGoneError) return { kind: "gone" };
    throw error;
  }
}

/** The waiting requests of all shapes. */
export class Holds {
  readonly #deadlines: Deadlines;
  readonly #hubs = new WeakMap<ServedShape, ShapeHub>();
  readonly #watching = new Set<ShapeHub>();
  #isShutDown = false;

  constructor(deadlines: Deadlines) {
    this.#deadlines = deadlines;
  }

  /** Requests that wait now. */
  get waiters(): number {
    let count = 0;
    for (const hub of this.#watching) count += hub.waiters;
    return count;
  }

  /** Shapes that are watched now. */
  get watched(): number {
    return this.#watching.size;
  }

  get isShutDown(): boolean {
    return this.#isShutDown;
  }

  of(shape: ServedShape): ShapeHub {
    let hub = this.#hubs.get(shape);
    if (!hub) {
      hub = new ShapeHub(shape, this.#deadlines, this.#watching);
      this.#hubs.set(shape, hub);
    }
    return hub;
  }

  /** Ends every wait at once, also those to come. */
  shutDown(): void {
    this.#isShutDown = true;
    for (const hub of [...this.#watching]) hub.shutDown();
  }

  /** Waits until the shape changes, the time is over, the client leaves or the server stops. */
  wait(shape: ServedShape, dueMs: number): Waiter {
    const waiter = new Waiter(this.of(shape), this.#deadlines, dueMs);
    if (this.#isShutDown) this.of(shape).shutDown();
    return waiter;
  }
}

/** The waiting requests of one shape, and what they share when it wakes them. */
export class ShapeHub implements DeadlineTarget {
  readonly #shape: ServedShape;
  readonly #deadlines: Deadlines;
  readonly #watching: Set<ShapeHub>;
  readonly #waiters = new Set<Waiter>();
  readonly #views = new Map<string, ShapeView>();
  #unwatch: (() => void) | undefined;
  #isWaking = false;

  constructor(shape: ServedShape, deadlines: Deadlines, watching: Set<ShapeHub>) {
    this.#shape = shape;
    this.#deadlines = deadlines;
    this.#watching = watching;
  }

  get waiters(): number {
    return this.#waiters.size;
  }

  /**
   * The view from an offset, remembered until the shape changes: only while it is watched, for
   * otherwise nobody would say that it has changed.
   */
  view(sinceText: string, since: PagePosition): ShapeView {
    if (!this.#unwatch) return viewShape(this.#shape, since);
    let view = this.#views.get(sinceText);
    if (!view || (view.kind === "open" && this.#shape.isGone)) {
      view = viewShape(this.#shape, since);
      if (this.#views.size < SHARED_VIEWS_MAX) this.#views.set(sinceText, view);
    }
    return view;
  }

  join(waiter: Waiter): void {
    this.#waiters.add(waiter);
    if (this.#unwatch) return;
    this.#unwatch = this.#shape.watch(() => this.#notice());
    this.#watching.add(this);
  }

  /** The last one out leaves the watch on for a moment: most clients come back at once. */
  leave(waiter: Waiter): void {
    if (!this.#waiters.delete(waiter) || this.#waiters.size > 0) return;
    if (this.#shape.isGone) this.due();
    else this.#deadlines.add(this.#deadlines.now + IDLE_WATCH_MS, this);
  }

  due(): void {
    if (this.#waiters.size > 0) return;
    this.#unwatch?.();
    this.#unwatch = undefined;
    this.#views.clear();
    this.#watching.delete(this);
  }

  shutDown(): void {
    for (const waiter of [...this.#waiters]) waiter.settle("shutdown");
    this.due();
  }

  /** Waits for the end of the turn, so that several moves of the head wake nobody twice. */
  #notice(): void {
    this.#views.clear();
    if (this.#isWaking) return;
    this.#isWaking = true;
    queueMicrotask(() => {
      this.#isWaking = false;
      for (const waiter of [...this.#waiters]) waiter.settle("changed");
    });
  }
}

/** One wait. Leaves hub, deadline and signal exactly once, whatever ends it. */
export class Waiter implements DeadlineTarget, EventListenerObject {
  readonly woken: Promise<WakeReason>;
  readonly #hub: ShapeHub;
  readonly #deadlines: Deadlines;
  readonly #deadline: Deadline;
  #signal: AbortSignal | undefined;
  #resolve: ((reason: WakeReason) => void) | undefined;

  constructor(hub: ShapeHub, deadlines: Deadlines, dueMs: number) {
    this.#hub = hub;
    this.#deadlines = deadlines;
    this.woken = new Promise((resolve) => this.#resolve = resolve);
    this.#deadline = deadlines.add(dueMs, this);
    hub.join(this);
  }

  /** Also ends when the signal fires. */
  leaveOn(signal: AbortSignal): this {
    if (signal.aborted) {
      this.settle("left");
    } else if (this.#resolve) {
      this.#signal = signal;
      signal.addEventListener("abort", this);
    }
    return this;
  }

  settle(reason: WakeReason): void {
    const resolve = this.#resolve;
    if (!resolve) return;
    this.#resolve = undefined;
    this.#deadlines.remove(this.#deadline, this);
    this.#signal?.removeEventListener("abort", this);
    this.#hub.leave(this);
    resolve(reason);
  }

  due(): void {
    this.settle("timeout");
  }

  handleEvent(): void {
    this.settle("left");
  }
}
