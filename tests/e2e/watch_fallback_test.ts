import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { type Row, Shape, ShapeStream } from "@electric-sql/client";
import type { FallbackMode } from "../../client/status.ts";
import { watchFallback } from "../../client/watch_fallback.ts";
import { STREAM_ID } from "../outage/schema.ts";
import { holdSlot } from "../outage/slot.ts";
import { testDatabase } from "../support/postgres.ts";
import { pause, ServerProcess } from "../support/server_process.ts";

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`Still not: ${condition}`);
    await pause(20);
  }
}

Deno.test({
  name: "an app is told of a real server's fallback and of its end, and goes on getting changes",
  // The official client keeps a timer of its own running.
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    await using database = await testDatabase();
    const { sql } = database;
    await sql`CREATE TABLE items (id int PRIMARY KEY)`;
    await using server = await ServerProcess.start({
      databaseUrl: database.url,
      streamId: STREAM_ID,
      env: { ELECTRIC_FALLBACK_INTERVAL: "200ms" },
    });
    const modes: FallbackMode[] = [];
    const url = `${server.url}/v1/shape`;
    const degraded = watchFallback({
      url,
      statusIntervalMs: 50,
      onMode: (mode) => modes.push(mode),
    });
    const stop = new AbortController();
    const stream = new ShapeStream<Row>({
      url,
      params: { table: "items" },
      fetchClient: degraded.fetchClient,
      signal: stop.signal,
    });
    degraded.attach(stream);
    const shape = new Shape(stream);
    deepEqual(await shape.rows, []);
    const has = (id: number) => shape.currentRows.some((row) => row.id === id);
    {
      await using _held = await holdSlot(sql, database.url);
      // Before the server knows, a live request may be under way whose answer has no mark.
      for (let id = 1; degraded.mode !== "fallback"; id++) {
        await sql`INSERT INTO items VALUES (${id})`;
        await until(() => has(id));
      }
    }
    await until(() => degraded.mode === "live");
    await sql`INSERT INTO items VALUES (1000)`;
    await until(() => has(1000));
    deepEqual([modes[0], modes.at(-1), degraded.mode], ["fallback", "live", "live"]);
    degraded.close();
    stop.abort();
  },
});
