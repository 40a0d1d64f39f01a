import assert from "node:assert/strict";
import postgres from "postgres";
import { openReplication } from "../../replication/connection.ts";
import { parseDatabaseUrl } from "../../replication/database_url.ts";
import { testDatabase } from "../support/postgres.ts";
import { TcpProxy } from "../support/tcp_proxy.ts";

Deno.test("TcpProxy knows a walsender's connection, whatever sslmode it asks for", async () => {
  await using database = await testDatabase();
  const { hostname, port } = new URL(database.url);
  await using proxy = new TcpProxy({ hostname, port: Number(port) });
  for (const mode of ["disable", "prefer"]) {
    const url = `${proxy.url(database.url)}?sslmode=${mode}`;
    const connection = openReplication({ url: parseDatabaseUrl(url) });
    const [identity] = await connection.query("IDENTIFY_SYSTEM");
    assert.equal(identity.dbname, database.name);
    assert.deepEqual([proxy.count("replication"), proxy.count("query")], [1, 0]);
    await connection.close(500);
  }
  const sql = postgres(proxy.url(database.url), { max: 1 });
  await sql`select 1`;
  assert.equal(proxy.count("query"), 1);
  await sql.end();
});
