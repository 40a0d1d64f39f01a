/** Sees new shapes through their first rows: table prepared, snapshot taken, joined to the stream. */

import { SnapshotCounters } from "./counters.ts";
import { InvalidRequestError, ShapeGoneError, UnavailableError } from "./errors.ts";
import type { Ingest } from "./ingest.ts";
import type { ShapeStore } from "./log/store.ts";
import type { Mode } from "./mode.ts";
import { type Source, TableChangedError, type Visibility } from "./ports.ts";
import { SnapshotError } from "./service.ts";
import type { Shape } from "./shape.ts";
import { fillShape } from "./snapshot.ts";

/** Between its connection being ready and its snapshot being taken a new shape holds up the stream. */
const SNAPSHOT_START_MS = 5_000;

export interface FillingOptions {
  readonly source: Source;
  readonly store: ShapeStore;
  readonly chunkBytes: number;
  readonly ingest: () => Ingest | undefined;
  readonly mode: () => Mode;
  /** The shape can't be had: those who wait for it are told the error. */
  readonly onFailure: (shape: Shape, reason: string, told: Error) => void;
}

export class Filling {
  readonly #options: FillingOptions;
  readonly #aborts = new Map<Shape, AbortController>();
  readonly counters: SnapshotCounters = new SnapshotCounters();

  constructor(options: FillingOptions) {
    this.#options = options;
  }

  /** Shapes being filled. */
  get size(): number {
    return this.#aborts.size;
  }

  /** The shape has ended. */
  abort(shape: Shape): void {
    this.#aborts.get(shape)?.abort(new ShapeGoneError(shape.handle));
  }

  /** Fills a shape that was just made; never rejects. `meta` is what the store keeps of it. */
  async fill(shape: Shape, meta: string): Promise<void> {
    const abort = new AbortController();
    this.#aborts.set(shape, abort);
    const startMs = performance.now();
    try {
      await this.#prepare(shape);
      if (shape.isGone) return;
      this.#options.store.createShape(shape.handle, meta);
      shape.noteCreated();
      this.counters.rows += await this.#readRows(shape, abort.signal);
      if (shape.isGone) return;
      this.counters.seconds.observe((performance.now() - startMs) / 1000);
      shape.completeSnapshot();
    } catch (error) {
      if (!shape.isGone) this.#fail(shape, error);
    } finally {
      this.#aborts.delete(shape);
    }
  }

  /** In fallback nobody knows what the stream will bring: the shape is reconciled when it is back. */
  async #prepare(shape: Shape): Promise<void> {
    const { source, mode } = this.#options;
    if (mode().kind !== "fallback") return await source.prepare(shape.definition.table);
    if (shape.definition.log === "changes_only") throw changesUnknown();
    shape.lose();
  }

  async #readRows(shape: Shape, signal: AbortSignal): Promise<number> {
    const { source, store, chunkBytes, ingest } = this.#options;
    const taken = Promise.withResolvers<void>();
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      return await fillShape(shape, {
        source,
        store,
        chunkBytes,
        signal,
        place: (visibility) => ingest()?.positions.place(visibility) ?? visibility,
        onReserved: () => {
          if (shape.isGone) return;
          timer = setTimeout(() => {
            this.#fail(shape, startedTooSlowly());
            // The stream must not wait for a connection that hangs.
            taken.resolve();
          }, SNAPSHOT_START_MS);
          ingest()?.add(shape, taken.promise);
        },
        onVisible: (visibility) => {
          clearTimeout(timer);
          this.#check(shape, visibility);
          taken.resolve();
        },
      });
    } finally {
      clearTimeout(timer);
      taken.resolve();
    }
  }

  /** A transaction that the stream brought before the snapshot, which did not see it, is in neither. */
  #check(shape: Shape, visibility: Visibility): void {
    if (!this.#options.ingest()?.isAhead(visibility)) return;
    if (shape.definition.log === "changes_only") this.#fail(shape, changesUnknown());
    else shape.lose();
  }

  #fail(shape: Shape, error: unknown): void {
    if (shape.isGone) return;
    this.counters.failures++;
    const reason = error instanceof Error ? error.message : `${error}`;
    this.#options.onFailure(shape, `Its snapshot failed: ${reason}`, toldError(shape, error));
  }
}

/** What those who wait for the first rows are told. */
function toldError(shape: Shape, error: unknown): Error {
  if (error instanceof TableChangedError) return new ShapeGoneError(shape.handle);
  if (error instanceof UnavailableError || error instanceof InvalidRequestError) return error;
  const message = error instanceof Error ? error.message : `${error}`;
  return new SnapshotError(message, { cause: error });
}

/** Without rows there is nothing that reconciling could compare. */
function changesUnknown(): UnavailableError {
  return new UnavailableError("Changes of the table can't be followed right now", {
    retryAfterSeconds: 5,
    isKnown: true,
  });
}

function startedTooSlowly(): UnavailableError {
  return new UnavailableError("Snapshot query took too long to start reading from the database", {
    retryAfterSeconds: 10,
    isKnown: true,
  });
}
