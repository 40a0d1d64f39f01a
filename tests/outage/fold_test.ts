import assert from "node:assert/strict";
import { Fold, type FoldMessage, RowComparison } from "./fold.ts";

function change(
  operation: "insert" | "update" | "delete",
  id: number,
  value: Record<string, unknown> = {},
): FoldMessage {
  return { headers: { operation }, key: `k${id}`, value: { id, ...value } };
}

const REFETCH: FoldMessage = { headers: { control: "must-refetch" } };
const UP_TO_DATE: FoldMessage = { headers: { control: "up-to-date" } };

function foldOf(...messages: readonly FoldMessage[]): Fold {
  const fold = new Fold();
  for (const message of messages) fold.apply(message);
  return fold;
}

Deno.test("Fold keeps rows as apps do", () => {
  const fold = foldOf(
    change("insert", 1, { a: "x", b: "y" }),
    change("insert", 2),
    change("update", 1, { b: "z" }),
    change("delete", 2),
    UP_TO_DATE,
  );
  assert.deepEqual([...fold.rows()], [{ id: 1, a: "x", b: "z" }]);
  assert.deepEqual([fold.size, fold.refetches, ...Object.values(fold.oddities())], [1, 0, 0, 0, 0]);
});

Deno.test("Fold counts inserts of what is there and changes of what is not", () => {
  const fold = foldOf(
    change("insert", 1),
    change("insert", 1),
    change("delete", 1),
    change("insert", 1),
    change("update", 2),
    change("delete", 3),
  );
  assert.deepEqual(fold.oddities(), {
    "inserted twice": 1,
    "updated without being there": 1,
    "deleted without being there": 1,
  });
});

Deno.test("Fold starts again when it is told to", () => {
  const fold = foldOf(change("insert", 1), REFETCH, change("insert", 1));
  assert.deepEqual([fold.size, fold.oddities()["inserted twice"], fold.refetches], [1, 0, 1]);
});

Deno.test("RowComparison finds what is missing, different and too much", () => {
  const held = [{ id: 1, v: "a" }, { id: 2, v: "b" }, { id: 2, v: "b" }, { id: 9, v: "z" }];
  const comparison = new RowComparison(held, "id");
  comparison.expect([{ id: 1, v: "a" }, { id: 2, v: "changed" }]);
  comparison.expect([{ id: 3, v: "c" }]);
  assert.deepEqual(comparison.finish(), { missing: 1, extra: 2, different: 1 });
});

Deno.test("RowComparison sees a column that is missing", () => {
  const comparison = new RowComparison([{ id: 1 }], "id");
  comparison.expect([{ id: 1, v: null }]);
  assert.deepEqual(comparison.finish(), { missing: 0, extra: 0, different: 1 });
});
