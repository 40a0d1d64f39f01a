/**
 * What the stream brings while a log is being reconciled: transactions that the rows' snapshot has
 * not seen. Their operations follow on what the database had, which the log does not have yet: an
 * update may be of a row whose insert is a difference still to be found. So each is turned into what
 * it is to the log as it is, and its key, which has the newest state by that, is left out of the
 * comparison. The log makes sense at every point, as if nothing had ever been missed.
 */

import type { ItemEncoder } from "../log/item_encoder.ts";
import { JsonWriter } from "../log/json_writer.ts";
import type { Joint, Operation } from "../operation.ts";
import type { Row } from "../row.ts";
import type { Fold } from "./fold.ts";

const sharedWriter = new JsonWriter();

export class Overlap implements Joint {
  readonly #fold: Fold;
  readonly #isFull: boolean;

  constructor(fold: Fold, replica: "default" | "full") {
    this.#fold = fold;
    this.#isFull = replica === "full";
  }

  fit(operation: Operation): readonly Operation[] {
    const { encoder, old, row, op } = operation;
    if (!row) return old ? this.#leave(operation, old) : [];
    if (operation.kind === "insert" || !old || encoder.hasSameKey(old, row)) {
      return [this.#bring(encoder, old, row, op)];
    }
    const left = this.#leave({ kind: "delete", encoder, old, row: undefined, op }, old);
    const brought = this.#bring(encoder, undefined, row, op + 1);
    const isMove = left.length > 0 && brought.kind === "insert";
    return isMove ? [operation] : [...left, brought];
  }

  /** All columns are written: the log's row may be another than the one that was updated. */
  #bring(encoder: ItemEncoder, old: Row | undefined, row: Row, op: number): Operation {
    if (!this.#note(encoder, row, true)) {
      return { kind: "insert", encoder, old: undefined, row, op };
    }
    return { kind: "update", encoder, old: this.#isFull ? old : undefined, row, op };
  }

  #leave(deletion: Operation, old: Row): readonly Operation[] {
    return this.#note(deletion.encoder, old, false) ? [deletion] : [];
  }

  /** Notes whether the log has the key's row from now on; answers whether it had it. */
  #note(encoder: ItemEncoder, row: Row, isPresent: boolean): boolean {
    const { hasher, table } = this.#fold;
    encoder.key(sharedWriter, row);
    hasher.keyText(sharedWriter.written());
    sharedWriter.truncate(0);
    const at = table.enter(hasher.keyLo, hasher.keyHi);
    const had = table.isInLog(at);
    table.markLater(at);
    table.clearPending(at);
    if (isPresent) table.setRow(at, 0, 0);
    else table.remove(at);
    return had;
  }
}
