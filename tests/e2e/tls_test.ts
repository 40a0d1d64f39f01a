import assert from "node:assert/strict";
import { dirname } from "node:path";
import { openPool } from "../../replication/connection.ts";
import { parseDatabaseUrl } from "../../replication/database_url.ts";
import { ServerProcess } from "../support/server_process.ts";
import { poll, readToEnd } from "../support/shape_requests.ts";
import { SCRAM_PASSWORD, SCRAM_ROLE, startTlsCluster } from "../support/tls_cluster.ts";

Deno.test("a server keeps every connection encrypted and proves its password", async () => {
  await using tls = await startTlsCluster();
  const admin = openPool({ url: parseDatabaseUrl(tls.cluster.url()), max: 1 });
  await admin.unsafe(`CREATE ROLE ${SCRAM_ROLE} LOGIN REPLICATION PASSWORD '${SCRAM_PASSWORD}'`);
  await admin.unsafe(`CREATE DATABASE app OWNER ${SCRAM_ROLE}`);
  const password = encodeURIComponent(SCRAM_PASSWORD);
  const url = `postgresql://${SCRAM_ROLE}:${password}@localhost:${tls.cluster.port}/app` +
    `?sslmode=verify-full&sslrootcert=${tls.caFile}`;
  const app = openPool({ url: parseDatabaseUrl(tls.cluster.url("app")), max: 1 });
  await app.unsafe(`SET ROLE ${SCRAM_ROLE}; CREATE TABLE items (id int PRIMARY KEY, v text);
    INSERT INTO items VALUES (1, 'first')`);
  await using server = await ServerProcess.start({
    databaseUrl: url,
    streamId: "tls",
    env: { SEALED_FOLDER: dirname(tls.caFile) },
  });
  const end = await readToEnd(server.url, { table: "items" });
  assert.deepEqual(end.messages.flatMap(({ value }) => value?.v ?? []), ["first"]);
  const next = poll(server.url, end);
  await app`INSERT INTO items VALUES (2, 'second')`;
  assert.deepEqual((await next).messages.flatMap(({ value }) => value?.v ?? []), ["second"]);
  const backends = await admin`
    SELECT backend_type, bool_and(ssl) AS encrypted FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
    WHERE usename = ${SCRAM_ROLE} GROUP BY 1 ORDER BY 1`;
  assert.deepEqual(backends.map((row) => [row.backend_type, row.encrypted]), [
    ["client backend", true],
    ["walsender", true],
  ]);
  await server.stop();
  await Promise.all([app.end(), admin.end()]);
});
