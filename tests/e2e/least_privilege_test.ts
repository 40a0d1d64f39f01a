import { deepStrictEqual as deepEqual, match, ok, strictEqual as equal } from "node:assert/strict";
import postgres from "postgres";
import { startCluster } from "../support/postgres.ts";
import { ServerProcess } from "../support/server_process.ts";
import { poll, readToEnd, requestShape } from "../support/shape_requests.ts";
import { readProjectFile } from "../support/source_tree.ts";

const SCHEMA = `CREATE TABLE issues (id int PRIMARY KEY, title text);
  CREATE TABLE projects (id int PRIMARY KEY);
  CREATE TABLE salaries (id int PRIMARY KEY);
  INSERT INTO issues VALUES (1, 'Rain')`;

/** The statements of docs/security.md. */
function documentedSql(): string {
  const [, sql] = /```sql\n([^`]*)```/.exec(readProjectFile("docs/security.md")) ?? [];
  ok(sql, "docs/security.md has no SQL");
  return sql;
}

Deno.test("the least-privileged role of docs/security.md follows its tables and no other", async () => {
  await using cluster = await startCluster();
  const sql = postgres(cluster.url(), { max: 1, onnotice: () => {} });
  await sql.unsafe(SCHEMA);
  await sql.unsafe(documentedSql());
  await using server = await ServerProcess.start({
    databaseUrl: cluster.url().replace("postgres@", "electric:choose-one@"),
    streamId: "default",
    env: { ELECTRIC_MANUAL_TABLE_PUBLISHING: "true" },
  });
  const end = await readToEnd(server.url, { table: "issues" });
  deepEqual(end.messages.flatMap(({ value }) => value?.title ?? []), ["Rain"]);
  const next = poll(server.url, end);
  await sql`INSERT INTO issues VALUES (2, 'Snow')`;
  deepEqual((await next).messages.flatMap(({ value }) => value?.title ?? []), ["Snow"]);
  const refused = await requestShape(server.url, { table: "salaries", offset: "-1" });
  equal(refused.status, 503);
  match(refused.text, /publication/);
  await server.stop();
  await sql.end();
});
