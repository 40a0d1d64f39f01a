/** Changes that come without their old rows, because the table lacks REPLICA IDENTITY FULL. */

import type { RelationRoutes, Target } from "./routing/relation_routes.ts";
import type { Row } from "./row.ts";
import type { TransactionLog } from "./transaction_log.ts";

/** An update, or without `row` a delete, of which at most the key's old values are known. */
export interface BlindChange {
  readonly old: Row | undefined;
  readonly row: Row | undefined;
  /** Position in the transaction. */
  readonly op: number;
}

/**
 * Adds the change to a shape's part of the transaction. A shape of the whole table can go on with
 * what is there; for others nobody knows whether they had the row: false then.
 */
export function addBlindChange(
  transaction: TransactionLog,
  routes: RelationRoutes,
  target: Target,
  { old, row, op }: BlindChange,
): boolean {
  const { shape, encoder } = target;
  if (transaction.isSeenBy(shape)) return true;
  const { where, replica, table } = shape.definition;
  const isKeyKnown = routes.relation.identity === "default" &&
    table.columns.some(({ keyIndex }) => keyIndex !== null);
  const lacksValues = row !== undefined && routes.lacksColumns(target, row);
  if (where || replica === "full" || !isKeyKnown || lacksValues) return false;
  const kind = row ? "update" : "delete";
  const isMove = old !== undefined && (!row || !encoder.hasSameKey(old, row));
  transaction.add(shape, { kind, encoder, old: isMove ? old : undefined, row, op });
  return true;
}
