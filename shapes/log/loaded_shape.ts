/** A shape as it was found in KV, and what of that is kept in memory. */

import { compareOffsets, type Offset } from "../offset.ts";
import type { JournalTail } from "./kv_contents.ts";
import { LOG_START } from "./kv_keys.ts";
import type { LogHead } from "./log_value.ts";
import { type MemoryBudgets, ShapeMemory } from "./shape_memory.ts";
import type { ShapeRecord } from "./shape_record.ts";
import type { LogEntry, StoredShape } from "./store.ts";

export interface LoadedShape {
  readonly handle: string;
  readonly record: ShapeRecord;
  readonly recordParts: number;
  readonly standing: string | undefined;
  readonly chunkEnds: readonly Offset[];
  readonly head: LogHead;
  /** Entries that only the journal has, and the journal value with the first of them. */
  readonly tail: readonly LogEntry[];
  readonly tailSequence: number;
}

/** The entries that come after what KV has under the shape's key. */
export function entriesBeyond(tail: JournalTail | undefined, end: Offset): readonly LogEntry[] {
  return tail?.entries.filter((entry) => compareOffsets(entry.last, end) > 0) ?? [];
}

export function rememberShape(loaded: LoadedShape, budgets: MemoryBudgets): ShapeMemory {
  const { handle, head, recordParts } = loaded;
  const state = { head: head.position, meta: undefined, recordParts };
  const shape = new ShapeMemory(handle, budgets, state);
  shape.log.openChunkBytes = head.openChunkBytes;
  for (const entry of loaded.tail) shape.log.addToTail(entry);
  shape.log.tailSequence = loaded.tailSequence;
  return shape;
}

export function describeShape(
  { handle, record, standing, chunkEnds }: LoadedShape,
  { log }: ShapeMemory,
): StoredShape {
  const head = log.last.lsn < 0n ? undefined : { lsn: log.last.lsn, op: log.last.op };
  const { meta, snapshot } = record;
  const { openChunkBytes } = log;
  return { handle, meta, snapshot, standing, head, openChunkBytes, chunkEnds };
}

/** What readers of a shape find that is not there. */
export function droppedShape(handle: string, budgets: MemoryBudgets): ShapeMemory {
  const gone = { head: LOG_START, meta: undefined, recordParts: 0 };
  const dropped = new ShapeMemory(handle, budgets, gone);
  dropped.isDropped = true;
  return dropped;
}
