import assert from "node:assert/strict";
import { type ConfigInputs, resolveConfig } from "../../cli/config.ts";
import { formatConfig } from "../../cli/print_config.ts";

const URL_A = "postgresql://app:tiger@db.example/a";
const URL_B = "postgresql://app:lion@db.example/b";

function resolve(
  inputs: Partial<Omit<ConfigInputs, "flags">> & { flags?: Record<string, string> },
) {
  return resolveConfig({
    env: {},
    file: undefined,
    readText: (path) => {
      throw new Error(`No such file: ${path}`);
    },
    ...inputs,
    flags: new Map(Object.entries(inputs.flags ?? {})),
  });
}

const INSECURE = { DATABASE_URL: URL_A, ELECTRIC_INSECURE: "true" };

Deno.test("resolveConfig() has the reference server's defaults", () => {
  const { config, problems } = resolve({ env: INSECURE });
  assert.deepEqual(problems, []);
  assert.deepEqual(config, {
    databaseUrl: URL_A,
    pooledDatabaseUrl: URL_A,
    databaseCaFile: undefined,
    poolSize: 20,
    streamId: "default",
    isManualPublishing: false,
    maxRetainedBytes: undefined,
    idleTimeoutMs: 0,
    wakeIntervalMs: 300_000,
    secret: undefined,
    isInsecure: true,
    port: 3000,
    listenHost: "0.0.0.0",
    prometheusPort: undefined,
    reconcileTimeoutMs: 300_000,
    storageDir: "./persistent",
    isStandby: false,
    isDeleteAllowed: false,
    cacheMaxAgeSeconds: 60,
    cacheStaleAgeSeconds: 300,
    chunkBytes: 10_485_760,
    longPollTimeoutMs: 20_000,
    changeSource: "logical",
    fallbackDatabaseUrl: undefined,
    fallbackIntervalMs: 2_000,
    maxConcurrentRequests: { initial: 300, existing: 10_000 },
    maxShapes: undefined,
    logLevel: "info",
    logFormat: "auto",
  });
});

Deno.test("resolveConfig() takes flags over environment over file over default", () => {
  const file = { path: "e.json", text: '{"port": 1, "db-pool-size": 2, "log-level": "debug"}' };
  const env = { ...INSECURE, ELECTRIC_PORT: "10", ELECTRIC_DB_POOL_SIZE: "20" };
  const { config, options, problems } = resolve({ file, env, flags: { port: "100" } });
  assert.deepEqual(problems, []);
  assert.deepEqual([config.port, config.poolSize, config.logLevel], [100, 20, "debug"]);
  const sources = new Map(options.map(({ key, source }) => [key, source]));
  assert.equal(sources.get("port"), "flag --port");
  assert.equal(sources.get("poolSize"), "env ELECTRIC_DB_POOL_SIZE");
  assert.equal(sources.get("logLevel"), "file e.json");
  assert.equal(sources.get("streamId"), "default");
});

Deno.test("resolveConfig() reads objects and booleans of the file", () => {
  const text = JSON.stringify({
    "database-url": URL_A,
    insecure: true,
    "max-concurrent-requests": { initial: 1, existing: 2 },
  });
  const { config, problems } = resolve({ file: { path: "e.json", text } });
  assert.deepEqual(problems, []);
  assert.deepEqual(config.maxConcurrentRequests, { initial: 1, existing: 2 });
  assert.equal(config.isInsecure, true);
});

Deno.test("resolveConfig() knows old names, the current one first", () => {
  const old = {
    ...INSECURE,
    ELECTRIC_QUERY_DATABASE_URL: URL_B,
    ELECTRIC_EXPERIMENTAL_MAX_SHAPES: "7",
  };
  assert.equal(resolve({ env: old }).config.pooledDatabaseUrl, URL_B);
  assert.equal(resolve({ env: old }).config.maxShapes, 7);
  const both = { ...old, ELECTRIC_MAX_SHAPES: "8" };
  assert.equal(resolve({ env: both }).config.maxShapes, 8);
});

Deno.test("resolveConfig() reads secrets from files, without the last newline", () => {
  const files: Record<string, string> = { "/run/url": `${URL_A}\n`, "/run/secret": "s3 cret\r\n" };
  const { config, options, problems } = resolve({
    env: { DATABASE_URL_FILE: "/run/url", ELECTRIC_SECRET_FILE: "/run/secret" },
    readText: (path) => files[path],
  });
  assert.deepEqual(problems, []);
  assert.deepEqual([config.databaseUrl, config.secret], [URL_A, "s3 cret"]);
  assert(options.some(({ source }) => source === "env ELECTRIC_SECRET_FILE"));
});

Deno.test("resolveConfig() says which secret file it can't read, once", () => {
  const env = { ...INSECURE, DATABASE_URL: "", DATABASE_URL_FILE: "/none" };
  const { problems } = resolve({ env });
  assert.deepEqual(problems, ['DATABASE_URL_FILE: Can\'t read "/none": No such file: /none']);
});

Deno.test("resolveConfig() takes an empty variable for an unset one", () => {
  const { problems } = resolve({ env: { DATABASE_URL: URL_A, ELECTRIC_SECRET: "" } });
  assert.equal(problems.length, 1);
  assert.match(problems[0], /^You must set ELECTRIC_SECRET unless ELECTRIC_INSECURE=true\. /);
});

Deno.test("resolveConfig() refuses a secret together with insecure", () => {
  const { problems } = resolve({ env: { ...INSECURE, ELECTRIC_SECRET: "x" } });
  assert.deepEqual(problems, ["You cannot set both ELECTRIC_SECRET and ELECTRIC_INSECURE=true"]);
});

Deno.test("resolveConfig() names every mistake, and each by where it was made", () => {
  const { problems } = resolve({
    flags: { port: "x" },
    env: { ELECTRIC_INSECURE: "maybe", ELECTRIC_LONG_POLL_TIMEOUT: "1 day" },
    file: { path: "e.json", text: '{"log-level": "loud", "prot": 1}' },
  });
  assert.deepEqual(problems.map((line) => line.split(":")[0]), [
    '"prot" in file e.json is not an option, did you mean "port"?',
    "ELECTRIC_INSECURE",
    "--port",
    "ELECTRIC_LONG_POLL_TIMEOUT",
    '"log-level" in file e.json',
    "DATABASE_URL is required",
  ]);
});

Deno.test("resolveConfig() refuses a file that is not a JSON object", () => {
  for (const text of ["", "[]", "null", "port = 3"]) {
    const { problems } = resolve({ env: INSECURE, file: { path: "e.json", text } });
    assert.equal(problems.length, 1, text);
    assert.match(problems[0], /^File e\.json must hold a JSON object/);
  }
});

Deno.test("resolveConfig() listens on :: when IPv6 is asked for and no address is given", () => {
  const env = { ...INSECURE, ELECTRIC_LISTEN_ON_IPV6: "true" };
  assert.equal(resolve({ env }).config.listenHost, "::");
  assert.equal(
    resolve({ env, flags: { "listen-host": "127.0.0.1" } }).config.listenHost,
    "127.0.0.1",
  );
});

Deno.test("formatConfig() shows values with their sources, and no secret", () => {
  const env = { DATABASE_URL: URL_A, ELECTRIC_SECRET: "hush", ELECTRIC_PORT: "4000" };
  const page = formatConfig(resolve({ env }).options);
  assert(!page.includes("tiger") && !page.includes("hush"));
  assert.match(page, /^DATABASE_URL +postgresql:\/\/app:\*\*\*@db\.example\/a +env DATABASE_URL$/m);
  assert.match(page, /^ELECTRIC_SECRET +\*\*\* +env ELECTRIC_SECRET$/m);
  assert.match(page, /^ELECTRIC_PORT +4000 +env ELECTRIC_PORT$/m);
  assert.match(page, /^ELECTRIC_MAX_SHAPES +\(no limit\) +default$/m);
});
