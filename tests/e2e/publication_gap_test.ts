import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import type postgres from "postgres";
import { setupNames } from "../../replication/setup_plan.ts";
import { testDatabase } from "../support/postgres.ts";
import { ServerProcess } from "../support/server_process.ts";
import { readToEnd, requestShape, until } from "../support/shape_requests.ts";

interface World {
  readonly sql: postgres.Sql;
  readonly server: ServerProcess;
  readonly publication: string;
}

/** A server that publishes nothing itself, with a shape of `items` that has its first row. */
async function withManual(
  work: (world: World & { handle: string }) => Promise<void>,
): Promise<void> {
  await using database = await testDatabase();
  const { sql, name: streamId } = database;
  const { publication } = setupNames(streamId);
  await sql.unsafe(`CREATE TABLE items (id int PRIMARY KEY, v text);
    ALTER TABLE items REPLICA IDENTITY FULL;
    INSERT INTO items VALUES (1, 'first');
    CREATE PUBLICATION ${publication} FOR TABLE items`);
  await using server = await ServerProcess.start({
    databaseUrl: database.url,
    streamId,
    env: { ELECTRIC_MANUAL_TABLE_PUBLISHING: "true", ELECTRIC_LOG_LEVEL: "info" },
  });
  const { handle } = await readToEnd(server.url, { table: "items" });
  await work({ sql, server, publication, handle });
}

/** Each leaves something out and puts it back at once; a row is written between. */
const GAPS: readonly (readonly [string, (publication: string) => readonly [string, string]])[] = [
  ["a table taken out of the publication and put back", (publication) => [
    `ALTER PUBLICATION ${publication} DROP TABLE items`,
    `ALTER PUBLICATION ${publication} ADD TABLE items`,
  ]],
  ["a publication narrowed and widened", (publication) => [
    `ALTER PUBLICATION ${publication} SET (publish = 'delete, truncate')`,
    `ALTER PUBLICATION ${publication} SET (publish = 'insert, update, delete, truncate')`,
  ]],
];

async function leaveOut(sql: postgres.Sql, [narrow, widen]: readonly [string, string], id: number) {
  await sql.unsafe(narrow);
  await sql`INSERT INTO items VALUES (${id}, 'left out')`;
  await sql.unsafe(widen);
}

async function arrives({ server, handle }: { server: ServerProcess; handle: string }, id: number) {
  const params = { table: "items", handle, offset: "0_0" };
  await until(async () => {
    const { status, text } = await requestShape(server.url, params);
    equal(status, 200);
    return text.includes(`"id":"${id}"`);
  }, `row ${id} arrives`);
}

for (const [name, gap] of GAPS) {
  Deno.test(`what ${name} left out is found, on the same handle`, async () => {
    await withManual(async (world) => {
      const { sql, server, publication } = world;
      await leaveOut(sql, gap(publication), 10);
      await arrives(world, 10);
      await sql`INSERT INTO items VALUES (11, 'streamed')`;
      await arrives(world, 11);

      const { code } = await server.stop();
      equal(code, 0);
      await leaveOut(sql, gap(publication), 20);
      await server.start();
      await arrives(world, 20);
      equal(
        (await requestShape(server.url, { table: "items", offset: "-1" })).handle,
        world.handle,
      );
    });
  });
}

Deno.test("nothing is compared again for a publication that is as it was, or has one table more", async () => {
  await withManual(async (world) => {
    const { sql, server, publication, handle } = world;
    await sql.unsafe(`CREATE TABLE other (id int PRIMARY KEY);
      ALTER TABLE other REPLICA IDENTITY FULL;
      ALTER PUBLICATION ${publication} ADD TABLE other`);
    await readToEnd(server.url, { table: "other" });
    const { stderr: before } = await server.stop();
    await server.start();
    await sql`INSERT INTO items VALUES (30, 'streamed')`;
    await arrives(world, 30);
    // The watch has looked by the time that it finds this one.
    await leaveOut(sql, GAPS[0][1](publication), 40);
    await arrives(world, 40);
    const { messages } = await requestShape(server.url, { table: "items", handle, offset: "0_0" });
    const positions = messages.flatMap(({ value, headers: { lsn } }) => value ? [`${lsn}`] : []);
    // What a comparison finds lies at an odd position, what the stream brings at an even one.
    deepEqual(positions.map((lsn) => BigInt(lsn) & 1n), [0n, 1n]);
    const { stderr: after } = await server.stop();
    equal((before + after).split("must be reconciled").length, 2, before + after);
  });
});
