/** A real nginx with the shipped configuration in front of the server as users run it. */

import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { STREAM_ID } from "../outage/schema.ts";
import { holdSlot } from "../outage/slot.ts";
import { Nginx } from "../support/nginx.ts";
import { type TestDatabase, testDatabase } from "../support/postgres.ts";
import { ServerProcess } from "../support/server_process.ts";
import { until } from "../support/shape_requests.ts";
import { ask, askAll, CLIENTS, fetched, follow, type Seen } from "./proxied_requests.ts";

interface World {
  readonly database: TestDatabase;
  readonly server: ServerProcess;
  readonly nginx: Nginx;
}

async function withWorld(work: (world: World) => Promise<void>): Promise<void> {
  await using database = await testDatabase();
  await database.sql.unsafe(
    `CREATE TABLE items (id int PRIMARY KEY, v text); INSERT INTO items VALUES (1, 'one')`,
  );
  await using server = await ServerProcess.start({
    databaseUrl: database.url,
    streamId: STREAM_ID,
  });
  await using nginx = await Nginx.start(server.port);
  await work({ database, server, nginx });
}

/** Waits until the server itself says that it is in this state. */
async function whenStatus(server: ServerProcess, wanted: string): Promise<void> {
  await until(async () => {
    const { status } = await (await fetch(`${server.url}/v1/status`)).json();
    return status === wanted;
  }, `the status is ${wanted}`);
}

Deno.test("clients that ask for the same cost the server one request", async () => {
  await withWorld(async ({ database, server, nginx }) => {
    const starts = await askAll(nginx.url, "table=items&offset=-1");
    deepEqual([...new Set(starts.map(({ status }) => status))], [200]);
    equal(new Set(starts.map(({ text }) => text)).size, 1);
    equal(fetched(starts), 1);
    equal(
      (await ask(nginx.url, "table=items&offset=-1", { origin: "https://a.example" })).cache,
      "HIT",
    );

    const [{ handle }] = starts;
    const polls = askAll(nginx.url, `table=items&offset=0_inf&handle=${handle}&live=true`);
    const direct = ask(server.url, `table=items&offset=0_inf&handle=${handle}&live=true`);
    await database.sql`INSERT INTO items VALUES (2, 'two')`;
    const answers = await polls;
    ok(answers.every(({ status, text }) => status === 200 && text.includes('"two"')));
    equal(fetched(answers), 1);
    ok((await direct).text.includes('"two"'));
    const [{ cursor, offset }] = answers;
    ok(answers.every((answer) => answer.cursor === cursor && answer.offset === offset));
    equal(answers.some(({ isMarked }) => isMarked), false);
  });
});

Deno.test(`${CLIENTS} clients go through a fallback and back, at the cost of a few`, async () => {
  await withWorld(async ({ database: { sql, url }, server, nginx }) => {
    const clients: Seen[][] = Array.from({ length: CLIENTS }, () => []);
    const allFollow = (last: string) =>
      Promise.all(clients.map(async (seen) => {
        seen.push(...await follow(nginx.url, last, seen.at(-1)));
      }));
    await allFollow('"up-to-date"');
    const before = allFollow('"before"');
    await sql`INSERT INTO items VALUES (2, 'before')`;
    await before;
    {
      const meanwhile = allFollow('"meanwhile"');
      await using _ = await holdSlot(sql, url);
      await whenStatus(server, "fallback");
      await sql`INSERT INTO items VALUES (3, 'meanwhile')`;
      await meanwhile;
      ok(clients.every((seen) => seen.at(-1)?.isMarked), "answers in fallback say so");
    }
    const afterwards = allFollow('"afterwards"');
    await whenStatus(server, "live");
    await until(
      async () => !(await ask(nginx.url, "table=items&offset=now")).isMarked,
      "the fallback is forgotten",
    );
    await sql`INSERT INTO items VALUES (4, 'afterwards')`;
    await afterwards;

    for (const seen of clients) {
      equal(seen.at(-1)?.isMarked, false);
      const text = seen.map((answer) => answer.text).join();
      for (const row of ["one", "before", "meanwhile", "afterwards"]) {
        equal(text.split(`"${row}"`).length, 2, `${row} came once`);
      }
    }
    const answers = clients.flat();
    equal(new Set(answers.map(({ handle }) => handle)).size, 1);
    ok(fetched(answers) < answers.length / 10, `${fetched(answers)} of ${answers.length}`);
  });
});

Deno.test("what is for operators is not passed on", async () => {
  await withWorld(async ({ server, nginx }) => {
    const status = async (url: string) => {
      const response = await fetch(url);
      await response.body?.cancel();
      return response.status;
    };
    equal(await status(`${nginx.url}/v1/status`), 200);
    for (const path of ["/metrics", "//%6detrics/", "/admin/shapes", "/admin/shapes/h-1"]) {
      equal(await status(`${nginx.url}${path}`), 404, path);
    }
    equal(await status(`${server.url}/metrics`), 200);
    equal(await status(`${server.url}/admin/shapes`), 200);
  });
});
