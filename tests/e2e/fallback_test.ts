import { strictEqual as equal } from "node:assert/strict";
import { isControlMessage, type Row, Shape, ShapeStream } from "@electric-sql/client";
import { FallbackWorld, SHAPES } from "../support/fallback_world.ts";
import { type Fault, FAULTS } from "../support/faults.ts";
import { startCluster } from "../support/postgres.ts";
import { pause } from "../support/server_process.ts";

/** Long enough for some hundred transactions. */
const WRITING_MS = 700;

async function go(world: FallbackWorld, fault: Fault): Promise<void> {
  world.follow();
  await world.writing(1, () => pause(WRITING_MS));
  await world.assertFresh();
  await world.writing(2, async () => {
    await pause(WRITING_MS / 4);
    await fault.inflict(world.target);
    if (fault.isLasting) await world.whenMode("fallback");
    await pause(WRITING_MS);
    world.follow(SHAPES.slice(0, 2));
    await pause(WRITING_MS);
  });
  if (fault.isLasting) equal(await world.mode(), "fallback");
  await world.assertFresh();
  await world.writing(3, async () => {
    await fault.mend(world.target);
    await world.whenMode("live");
    await pause(WRITING_MS);
  });
  await world.assertFresh();
}

for (const fault of FAULTS) {
  Deno.test(`shapes stay fresh, and nobody starts again, when ${fault.name}`, async () => {
    await using world = await FallbackWorld.open();
    await go(world, fault);
  });
}

const [noReplication] = FAULTS.filter(({ name }) => name === "its role may not replicate");

Deno.test("a server that is killed in fallback goes on in fallback, and then with the stream", async () => {
  await using world = await FallbackWorld.open();
  world.follow();
  await world.writing(1, () => pause(WRITING_MS));
  await world.writing(2, async () => {
    await noReplication.inflict(world.target);
    await world.whenMode("fallback");
    await pause(WRITING_MS);
    await world.server.kill();
    world.server.launch();
    await world.whenMode("fallback");
    await pause(WRITING_MS);
  });
  await world.assertFresh();
  await world.writing(3, async () => {
    await noReplication.mend(world.target);
    await world.whenMode("live");
    await pause(WRITING_MS);
  });
  await world.assertFresh();
});

Deno.test("the official client goes through a fallback without starting again", async () => {
  await using world = await FallbackWorld.open();
  const stop = new AbortController();
  const stream = new ShapeStream<Row>({
    url: `${world.server.url}/v1/shape`,
    params: { table: "items" },
    signal: stop.signal,
  });
  let refetches = 0;
  stream.subscribe((messages) => {
    refetches += messages.filter((message) =>
      isControlMessage(message) && message.headers.control === "must-refetch"
    ).length;
  });
  const shape = new Shape(stream);
  await shape.rows;
  const equals = async () => {
    const rows = await world.database.sql`select id, n, flag from items order by id`;
    const expected = rows.map(({ id, n, flag }) => `${id} ${n} ${flag}`);
    const held = shape.currentRows.toSorted((a, b) => Number(a.id) - Number(b.id))
      .map(({ id, n, flag }) => `${id} ${n} ${flag}`);
    return JSON.stringify(held) === JSON.stringify(expected);
  };
  await world.writing(4, async () => {
    await noReplication.inflict(world.target);
    await world.whenMode("fallback");
    await pause(WRITING_MS);
  });
  await world.until("the client has in fallback what a query gives", equals);
  await world.writing(5, async () => {
    await noReplication.mend(world.target);
    await world.whenMode("live");
    await pause(WRITING_MS);
  });
  await world.until("the client has what a query gives", equals);
  equal(refetches, 0);
  stop.abort();
});

Deno.test("an official client's event streams tell of a fallback and of its end, and stay event streams", async () => {
  await using world = await FallbackWorld.open();
  const stop = new AbortController();
  const modes: string[] = [];
  let polls = 0;
  const fetchClient: typeof fetch = async (input, init) => {
    const response = await fetch(input, init);
    const query = new URL(`${input}`).searchParams;
    const mode = response.headers.has("electric-fallback-mode") ? "fallback" : "live";
    if (query.has("live_sse")) modes.push(mode);
    else if (query.has("live")) polls++;
    return response;
  };
  const stream = new ShapeStream<Row>({
    url: `${world.server.url}/v1/shape`,
    params: { table: "items" },
    liveSse: true,
    fetchClient,
    signal: stop.signal,
  });
  const shape = new Shape(stream);
  await shape.rows;
  // More changes of the mode than short streams would be put up with.
  for (let round = 0; round < 2; round++) {
    await noReplication.inflict(world.target);
    await world.until("a stream says so", () => modes.at(-1) === "fallback");
    await noReplication.mend(world.target);
    await world.until("a stream says no more of it", () => modes.at(-1) === "live");
  }
  equal(polls, 0);
  stop.abort();
});

Deno.test("a server that starts while Postgres is down serves what it has, and goes on when it is up", async () => {
  await using cluster = await startCluster();
  await using world = await FallbackWorld.open({}, cluster.url());
  world.follow();
  await world.writing(6, () => pause(WRITING_MS));
  await world.assertFresh();
  const { code } = await world.server.stop();
  equal(code, 0);
  await cluster.stop();
  world.server.launch();
  const url = `${world.server.url}/v1/shape?table=items&offset=-1`;
  await world.until("stored shapes are served", async () => {
    const response = await fetch(url).catch(() => undefined);
    await response?.body?.cancel();
    return response?.status === 200 && response.headers.get("electric-fallback-mode") === "true";
  });
  equal(await world.mode(), "starting");
  await cluster.start();
  await world.writing(7, async () => {
    await world.whenMode("live");
    await pause(WRITING_MS);
  });
  await world.assertFresh();
});
