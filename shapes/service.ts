/** What HTTP asks of the domain. `server/` depends on this file, not on how it is done. */

import type { Mode } from "./mode.ts";
import type { Offset, RequestedOffset } from "./offset.ts";

/** A shape's definition as the request spells it, not yet checked against the table. */
export interface DefinitionRequest {
  readonly table: string;
  readonly where: string | undefined;
  /** `params[n]`, keys as given. */
  readonly params: ReadonlyMap<string, string>;
  /** `columns` / `queryable_columns` as given: one comma list, or raw names (`columns[]=…`). */
  readonly columns: string | readonly string[] | undefined;
  readonly queryableColumns: string | readonly string[] | undefined;
  /** `key_columns`, likewise. */
  readonly keyColumns?: string | readonly string[] | undefined;
  readonly replica: "default" | "full";
  readonly log: "full" | "changes_only";
}

export interface ShapeService {
  readonly mode: Mode;

  /** Resolves when shapes can be made (not `starting`), or when the time is over or the signal fires. */
  whenServing(timeoutMs: number, signal: AbortSignal): Promise<void>;

  /** Commit LSN of the last transaction that all shapes have seen, of whatever table. */
  readonly lastSeenLsn: bigint;

  byHandle(handle: string): ServedShape | undefined;

  /** The live shape of a definition, if there is one. Throws `InvalidRequestError`, `UnavailableError`. */
  find(definition: DefinitionRequest): Promise<ServedShape | undefined>;

  /** The live shape of a definition, made if there is none. Throws like `find`. */
  findOrCreate(definition: DefinitionRequest): Promise<ServedShape>;

  /**
   * Compares a shape that the stream does not keep fresh with the database, unless that was done a
   * moment ago. Undefined when there is nothing to wait for; never rejects.
   */
  freshen(handle: string): Promise<void> | undefined;

  /** Drops a shape for good: waiting requests learn at once. */
  drop(handle: string): void;
}

export interface ServedShape {
  readonly handle: string;

  /** Value of the `electric-schema` header: ASCII JSON. */
  readonly schemaHeader: string;

  /** True once it was rotated, deleted or evicted; it never comes back. */
  readonly isGone: boolean;

  /**
   * True while its log is known to lack changes, or is kept up by queries only: whatever the mode of
   * the service, answers must say so.
   */
  readonly isBehind: boolean;

  /**
   * True after a restart until the stream has sent again what may not have been stored: till then
   * readers may be ahead of the log.
   */
  readonly isResuming: boolean;

  /** The last visible offset: `0_inf` while the log is empty. */
  readonly head: Offset;

  /** True from when the snapshot has its first bytes: `page()` may be called. */
  readonly isStarted: boolean;

  /**
   * Resolves once started. Rejects with `UnavailableError`, `SnapshotError` or `ShapeGoneError`, or
   * with `InvalidRequestError` if Postgres refuses the filter.
   */
  started(): Promise<void>;

  /**
   * What lies after `since`, up to the end of its chunk. Undefined if that is not known yet (the
   * snapshot is still being read): wait with `watch`. Synchronous: `until` and the state it was
   * taken from agree. Throws `ShapeGoneError`.
   */
  page(since: RequestedOffset & { kind: "before" | "at" }): Page | undefined;

  /** Calls the listener each time the head moved, the snapshot grew a chunk or ended, or the shape went. */
  watch(listener: () => void): () => void;

  /** Notes that somebody asked for it (for eviction of the least recently used). */
  touch(nowMs: number): void;
}

export interface Page {
  /** The last offset carried. */
  readonly until: Offset;
  /** True if nothing lies beyond `until` now. Never for the start of a shape (`-1`). */
  readonly isUpToDate: boolean;
  /** True if it carries at least one message. */
  readonly hasData: boolean;
  /**
   * The messages as JSON text, each preceded by a comma. Whole if it is small and at hand, shared
   * between callers; never change it.
   */
  readonly body: PageBody;
}

export type PageBody =
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  /** Opens a read from the beginning; errors surface in the iteration. `return()` it when done. */
  | { readonly kind: "stream"; readonly open: () => AsyncIterator<Uint8Array> };

/** The snapshot could not be taken, for a reason that retrying alone may not mend: answered 500. */
export class SnapshotError extends Error {
  override readonly name = "SnapshotError";
}
