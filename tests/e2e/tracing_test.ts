/** Spans as a collector gets them from the runtime's own exporter. */

import assert from "node:assert/strict";
import { testDatabase } from "../support/postgres.ts";
import { ServerProcess } from "../support/server_process.ts";
import { poll, readToEnd, until } from "../support/shape_requests.ts";

interface Span {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly attributes: readonly { key: string; value: { stringValue?: string } }[];
}

interface Exported {
  readonly resourceSpans?: readonly { scopeSpans: readonly { spans: readonly Span[] }[] }[];
}

const TRACE_ID = "0af7651916cd43dd8448eb211c80319c";
const CALLER = "b7ad6b7169203331";

/** Takes what exporters send, as long as it is open. */
function openCollector() {
  const spans: Span[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const text = await request.text();
    const { resourceSpans = [] } = JSON.parse(text) as Exported;
    for (const { scopeSpans } of resourceSpans) {
      for (const scope of scopeSpans) spans.push(...scope.spans);
    }
    return Response.json({});
  });
  const url = `http://127.0.0.1:${server.addr.port}`;
  return { spans, url, [Symbol.asyncDispose]: () => server.shutdown() };
}

Deno.test("a tracing runtime exports spans of requests, snapshots, transactions and commits", async () => {
  await using database = await testDatabase();
  const { sql } = database;
  await sql.unsafe(`CREATE TABLE items (id int PRIMARY KEY, v text);
    INSERT INTO items VALUES (1, 'one')`);
  await using collector = openCollector();
  await using server = await ServerProcess.start({
    databaseUrl: database.url,
    streamId: database.name,
    env: {
      ELECTRIC_INSECURE: "",
      ELECTRIC_SECRET: "sc-ocelot",
      OTEL_DENO: "true",
      OTEL_DENO_CONSOLE: "ignore",
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
    },
  });
  const params = {
    table: "items",
    where: "v <> $1",
    "params[1]": "val-ocelot",
    secret: "sc-ocelot",
  };
  const query = new URLSearchParams({ ...params, offset: "-1" });
  const first = await fetch(`${server.url}/v1/shape?${query}`, {
    headers: { traceparent: `00-${TRACE_ID}-${CALLER}-01` },
  });
  await first.body?.cancel();
  assert.equal(first.status, 200);
  const polled = poll(server.url, await readToEnd(server.url, params));
  await sql`INSERT INTO items VALUES (2, 'two')`;
  await polled;
  const named = (name: string) => collector.spans.filter((span) => span.name === name);
  const wanted = ["electric.snapshot", "electric.transactions", "electric.commit"];
  await until(() => wanted.every((name) => named(name).length > 0), "spans have come");
  const { stderr } = await server.stop();
  assert.match(stderr, /drop url\.full and url\.query/);

  const request = collector.spans.find(({ parentSpanId }) => parentSpanId === CALLER);
  assert.equal(request?.traceId, TRACE_ID);
  const [snapshot] = named("electric.snapshot");
  assert.equal(snapshot.traceId, TRACE_ID);
  assert.equal(snapshot.parentSpanId, request?.spanId);
  const attributeOf = (key: string) =>
    request?.attributes.filter((attribute) => attribute.key === key).map(({ value }) =>
      value.stringValue
    );
  assert.deepEqual(attributeOf("http.route"), ["shape"]);
  const own = JSON.stringify(collector.spans.filter(({ name }) => name.startsWith("electric.")));
  for (const word of ["sc-ocelot", "val-ocelot"]) assert(!own.includes(word), word);
});
