/**
 * A thread with one official client that follows a shape. On its own, so that neither a client's
 * work for very many rows makes the others late nor the run's work this one.
 */

import { parentPort } from "node:worker_threads";
import { ShapeStream } from "@electric-sql/client";
import { withSql } from "./primary.ts";
import type { FromClient, ToClient } from "./client_messages.ts";
import { Fold, type FoldMessage, RowComparison } from "./fold.ts";
import { FOLLOWED, type FollowedShape, readRows } from "./schema.ts";

const fold = new Fold();
let shape: FollowedShape = FOLLOWED[0];
let seen = -1;

function start(message: ToClient & { kind: "start" }): void {
  shape = FOLLOWED.find(({ name }) => name === message.shape) ?? shape;
  const stream = new ShapeStream({
    url: `${message.url}/v1/shape`,
    params: shape.params,
    onError: () => ({}),
    ...message.backoff ? { backoffOptions: message.backoff } : {},
  });
  stream.subscribe((messages) => accept(messages as readonly FoldMessage[]));
}

function accept(messages: readonly FoldMessage[]): void {
  for (const message of messages) {
    fold.apply(message);
    if ("value" in message && shape.isMarker(message.value)) {
      seen = Math.max(seen, Number(message.value.n));
    }
  }
  tell({
    kind: "progress",
    seen,
    rows: fold.size,
    refetches: fold.refetches,
    atMs: performance.timeOrigin + performance.now(),
  });
}

async function compare(databaseUrl: string): Promise<void> {
  const comparison = new RowComparison(fold.rows(), shape.idColumn);
  await withSql(databaseUrl, async (sql) => {
    for await (const rows of readRows(sql, shape)) comparison.expect(rows);
  });
  tell({ kind: "comparison", faults: comparison.finish(), oddities: fold.oddities() });
}

function tell(message: FromClient): void {
  parentPort?.postMessage(message);
}

parentPort?.on("message", (message: ToClient) => {
  if (message.kind === "start") start(message);
  else void compare(message.databaseUrl);
});
