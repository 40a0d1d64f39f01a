/** The sample table in a database of its own, and a server process that serves it. */

import { ServerProcess } from "../../support/server_process.ts";
import { type TestDatabase, testDatabase } from "../../support/postgres.ts";
import type { Figures } from "./bench.ts";
import { RawClient } from "./raw_client.ts";
import { CREATE_TABLE } from "./sample.ts";

/** So that a benchmark meets no limit but the machine's. */
export const UNLIMITED_REQUESTS = '{"initial":100000,"existing":200000}';

export class ServedTable implements AsyncDisposable {
  readonly database: TestDatabase;
  readonly server: ServerProcess;
  readonly #stack: AsyncDisposableStack;

  private constructor(
    database: TestDatabase,
    server: ServerProcess,
    stack: AsyncDisposableStack,
  ) {
    this.database = database;
    this.server = server;
    this.#stack = stack;
  }

  /** Makes the table, runs the SQL that fills it, and starts a server with an empty storage. */
  static async open(sql = ""): Promise<ServedTable> {
    await using stack = new AsyncDisposableStack();
    // Asynchronous commits reach the stream up to 200 ms late (wal_writer_delay).
    const settings = { synchronous_commit: "on" };
    const database = stack.use(await testDatabase({ settings }));
    await database.sql.unsafe(`${CREATE_TABLE};${sql}`);
    const server = stack.use(
      await ServerProcess.start({
        databaseUrl: database.url,
        streamId: database.name,
        env: { ELECTRIC_MAX_CONCURRENT_REQUESTS: UNLIMITED_REQUESTS },
      }),
    );
    return new ServedTable(database, server, stack.move());
  }

  /** Closed with the rest. */
  async connect(count: number): Promise<RawClient[]> {
    const clients = await RawClient.openMany(this.server.port, count);
    for (const client of clients) this.#stack.use(client);
    return clients;
  }

  /** The server's memory now and at its highest, where there is a /proc. */
  memory(): Figures {
    try {
      const status = Deno.readTextFileSync(`/proc/${this.server.pid}/status`);
      const mb = (field: string) =>
        Number(new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(status)?.[1]) / 1024;
      return { rss_mb: mb("VmRSS"), rss_peak_mb: mb("VmHWM") };
    } catch {
      return {};
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}
