import assert from "node:assert/strict";
import { openPool } from "../../replication/connection.ts";
import { parseDatabaseUrl } from "../../replication/database_url.ts";
import { startCluster } from "../support/postgres.ts";

Deno.test("a pool outlives any number of queries while the server is down", async () => {
  await using cluster = await startCluster();
  const sql = openPool({ url: parseDatabaseUrl(cluster.url()), max: 2 });
  try {
    await sql`select 1`;
    await cluster.stop();
    for (let i = 0; i < 6; i++) {
      await assert.rejects(async () => await sql`select 1`);
    }
    await cluster.start();
    const answers = await Promise.all([1, 2, 3].map((n) => sql`select ${n}::int as n`));
    assert.deepEqual(answers.map(([{ n }]) => n), [1, 2, 3]);
  } finally {
    await sql.end({ timeout: 1 });
  }
});
