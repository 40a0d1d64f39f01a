/** The compiled program that TEST_BINARY names (`deno task compile`), as it is deployed. */

import assert from "node:assert/strict";
import { type Row, Shape, ShapeStream } from "@electric-sql/client";
import manifest from "../../deno.json" with { type: "json" };
import { testDatabase } from "../support/postgres.ts";
import { listLibraries, SEALED_USER, SealedRoot } from "../support/sealed_root.ts";
import { freePort, pause, ServerProcess } from "../support/server_process.ts";
import { megabytes, readMemory } from "../support/process_memory.ts";
import { until } from "../support/shape_requests.ts";

const LISTENING_MS = 300;
const START_BYTES_MAX = 250e6;
/** The process has warmed up by then, and V8 compiled what it found hot. */
const WARM_MS = 2000;
/** The first that nobody disturbed counts: others use the machine, too. */
const STARTS_MAX = 20;

const SCHEMA = `CREATE TABLE items (id int PRIMARY KEY, v text);
  INSERT INTO items SELECT i, 'item ' || i FROM generate_series(1, 500) i`;

/** A copy in a folder where nothing else is. */
async function withBinary(work: (binary: string, folder: string) => Promise<void>): Promise<void> {
  const given = Deno.env.get("TEST_COMPILED") ?? Deno.env.get("TEST_BINARY");
  assert(given, "TEST_BINARY must name the compiled program");
  const folder = await Deno.makeTempDir({ prefix: "electric-ts-binary-" });
  try {
    const binary = `${folder}/electric-ts`;
    await Deno.copyFile(given, binary);
    await work(binary, folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function runBinary(
  binary: string,
  args: readonly string[],
  env: Record<string, string> = {},
) {
  const command = new Deno.Command(binary, { args: [...args], cwd: "/", env, stdin: "null" });
  const { code, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

Deno.test("version names the commit that was compiled", async () => {
  await withBinary(async (binary) => {
    const { code, stdout } = await runBinary(binary, ["version"]);
    assert.equal(code, 0);
    const [, version, commit] =
      /^electric-ts (\S+) \((\S+), Deno \d+\.\d+\.\d+\)\n$/.exec(stdout) ?? [];
    assert.equal(version, manifest.version, stdout);
    assert.match(commit, /^(?:[0-9a-f]{12}(?:-changed)?|unknown)$/);
  });
});

Deno.test("the demo says that the compiled program can't run Postgres", async () => {
  await withBinary(async (binary) => {
    const { code, stderr } = await runBinary(binary, ["demo"]);
    assert.equal(code, 1);
    assert.match(stderr, /^Error: The compiled program may run no other/);
  });
});

Deno.test("it needs only libraries that the distroless image has", async () => {
  await withBinary(async (binary) => {
    const names = (await listLibraries(binary)).map((path) => path.split("/").pop());
    assert(names.includes("libc.so.6"), names.join());
  });
});

Deno.test(`it listens within ${LISTENING_MS} ms of its start`, async () => {
  await using database = await testDatabase();
  await withBinary(async (binary, folder) => {
    const times: number[] = [];
    while (times.length < STARTS_MAX && !times.some((ms) => ms <= LISTENING_MS)) {
      times.push(Math.round(await timeStart(binary, folder, database)));
    }
    console.log(`Listening after ${times.join(", ")} ms`);
    assert(times.some((ms) => ms <= LISTENING_MS));
  });
});

/** Milliseconds from the start of the process to the first connection that it takes. */
async function timeStart(
  binary: string,
  folder: string,
  database: { readonly url: string; readonly name: string },
): Promise<number> {
  const port = freePort();
  const env = {
    DATABASE_URL: database.url,
    ELECTRIC_PORT: `${port}`,
    ELECTRIC_STORAGE_DIR: `${folder}/storage`,
    ELECTRIC_INSECURE: "true",
    ELECTRIC_REPLICATION_STREAM_ID: database.name,
  };
  const startMs = performance.now();
  const command = new Deno.Command(binary, { args: ["serve"], cwd: "/", env, stderr: "null" });
  const child = command.spawn();
  try {
    while (!await takesConnection(port)) {
      assert(performance.now() - startMs < 20_000, "It never listened");
      await pause(2);
    }
    return performance.now() - startMs;
  } finally {
    child.kill("SIGTERM");
    await child.status;
  }
}

async function takesConnection(port: number): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return true;
  } catch {
    return false;
  }
}

Deno.test("it syncs as an ordinary user in a read-only root that holds nothing else", async () => {
  await using database = await testDatabase();
  await database.sql.unsafe(SCHEMA);
  await withBinary(async (binary) => {
    await using root = await SealedRoot.make(binary);
    await using server = await ServerProcess.start({
      // By name, so that the resolver of the C library has what it needs.
      databaseUrl: database.url.replace("127.0.0.1", "localhost"),
      streamId: database.name,
      command: { path: root.program, args: ["serve"] },
    });
    await assertIsSealed(server);
    await followWrites(server.url, database.sql);
    // The image's health check.
    const env = { ELECTRIC_PORT: `${server.port}`, ELECTRIC_STORAGE_DIR: server.storageDir };
    const check = () => runBinary(root.program, ["status", "--exit-code"], env);
    assert.equal((await check()).code, 0);
    const { code, stderr } = await server.stop();
    assert.equal(code, 0, stderr);
    assert.equal((await check()).code, 5);
    const inspect = ["inspect-shape", "--list", "--storage-dir", server.storageDir];
    assert.match((await runBinary(root.program, inspect, env)).stdout, /public\.items/);
    const left = [...Deno.readDirSync(server.storageDir)].map(({ name }) => name);
    assert.deepEqual(
      left.filter((name) => !/^(?:format|lock|shapes\.sqlite(?:-\w+)?)$/.test(name)),
      [],
    );
  });
});

Deno.test(`it starts in ${START_BYTES_MAX / 1e6} MB`, async () => {
  await using database = await testDatabase();
  await using server = await ServerProcess.start({
    databaseUrl: database.url,
    streamId: database.name,
  });
  const peaks: number[] = [];
  for (const endMs = Date.now() + WARM_MS; Date.now() < endMs; await pause(50)) {
    peaks.push(readMemory(server.pid).peakBytes);
  }
  console.log(`Peak ${megabytes(Math.max(...peaks))} MB`);
  assert(Math.max(...peaks) < START_BYTES_MAX);
});

/** By what Linux says of the process. */
async function assertIsSealed({ pid, storageDir }: ServerProcess): Promise<void> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  const ids = /^Uid:\t(\d+)/m.exec(status)?.[1];
  assert.equal(Number(ids), Deno.uid() === 0 ? SEALED_USER : Deno.uid());
  const mounts = await Deno.readTextFile(`/proc/${pid}/mountinfo`);
  const writable = mounts.trim().split("\n").map((line) => line.split(" "))
    .filter(([, , , , point, options]) =>
      !/^\/(?:proc|dev)\b/.test(point) && !/\bro\b/.test(options)
    );
  assert.deepEqual(writable.map((fields) => fields[4]), [storageDir]);
}

/** The official client's rows equal the table's after writes of each kind. */
async function followWrites(
  url: string,
  sql: Awaited<ReturnType<typeof testDatabase>>["sql"],
): Promise<void> {
  const leave = new AbortController();
  const stream = new ShapeStream<Row>({
    url: `${url}/v1/shape`,
    params: { table: "items", where: "id % 2 = 0" },
    signal: leave.signal,
  });
  const shape = new Shape<Row>(stream);
  assert.equal((await shape.rows).length, 250);
  await sql`INSERT INTO items VALUES (1000, 'new'), (1001, 'elsewhere')`;
  await sql`UPDATE items SET v = 'changed' WHERE id IN (1, 2)`;
  await sql`DELETE FROM items WHERE id = 4`;
  const rows = async () => await sql`SELECT id, v FROM items WHERE id % 2 = 0 ORDER BY id`;
  const wanted = JSON.stringify(await rows());
  const held = () =>
    JSON.stringify(shape.currentRows.toSorted((a, b) => Number(a.id) - Number(b.id)));
  await until(() => held() === wanted, "the client's rows are the table's");
  leave.abort();
}
