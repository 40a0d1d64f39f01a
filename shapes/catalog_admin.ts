/** The catalog's shapes as operators see them. */

import type { ShapeAdmin, ShapeDetail, ShapeState, ShapeSummary } from "./admin.ts";
import type { Mode } from "./mode.ts";
import type { Shape } from "./shape.ts";

export interface CatalogAdminOptions {
  readonly shapes: () => Iterable<Shape>;
  readonly byHandle: (handle: string) => Shape | undefined;
  readonly mode: () => Mode;
  readonly isReconciling: (shape: Shape) => boolean;
  readonly isSlow: (shape: Shape) => boolean;
  readonly chunkBytes: number;
  /** Nobody asks for the shapes: they lie in a storage that nothing serves. */
  readonly isIdle?: boolean;
}

export class CatalogAdmin implements ShapeAdmin {
  readonly #options: CatalogAdminOptions;

  constructor(options: CatalogAdminOptions) {
    this.#options = options;
  }

  list(): readonly ShapeSummary[] {
    return Array.from(this.#options.shapes(), (shape) => this.#summarize(shape));
  }

  describe(handle: string): ShapeDetail | undefined {
    const shape = this.#options.byHandle(handle);
    if (!shape) return undefined;
    const { table, columns, key } = shape.definition;
    return {
      ...this.#summarize(shape),
      tableOid: table.oid,
      allColumns: columns,
      key: key.map(({ name }) => name),
      appended: shape.appended,
      isFollowed: shape.isFollowed,
      isFrozen: shape.isFrozen,
      reconciledTo: shape.reconciledTo,
      visibleTo: shape.visibility?.walPosition,
      snapshotChunks: [...shape.snapshotChunks],
      logChunkEnds: [...shape.logChunks.ends],
      openChunkBytes: shape.logChunks.openBytes,
    };
  }

  #summarize(shape: Shape): ShapeSummary {
    const { table, where, columns, hasOwnColumns, declaredKey, replica, log } = shape.definition;
    const { ends, openBytes } = shape.logChunks;
    return {
      shape,
      table: { schema: table.schema, name: table.name },
      where: where?.sql,
      columns: hasOwnColumns ? columns.map(({ name }) => name) : undefined,
      declaredKey,
      replica,
      log,
      state: this.#stateOf(shape),
      isSlow: this.#options.isSlow(shape),
      snapshotBytes: shape.snapshotChunks.reduce((sum, bytes) => sum + bytes, 0),
      logBytes: ends.length * this.#options.chunkBytes + openBytes,
      isLogBytesExact: ends.length === 0,
      appendedChanges: shape.appendedChanges,
      appendedBytes: shape.appendedBytes,
      lastUsedMs: this.#options.isIdle ? undefined : shape.lastUsedMs,
    };
  }

  #stateOf(shape: Shape): ShapeState {
    const { mode, isReconciling } = this.#options;
    if (!shape.isComplete) return "snapshotting";
    if (isReconciling(shape)) return "reconciling";
    return shape.isBehind || mode().kind !== "live" ? "behind" : "live";
  }
}
