/**
 * Every option of `serve`, once: parsing, help, docs/configuration.md and `--print-config` are made
 * from this table. Names, meanings and defaults are the reference server's (WIRE.md section 9).
 */

import {
  boolean,
  bytes,
  databaseUrl,
  durationMs,
  integer,
  oneOf,
  optionalDurationMs,
  type RequestLimits,
  requestLimits,
  streamId,
  text,
  type ValueType,
} from "./option_values.ts";

export type LogLevel = "error" | "warn" | "info" | "debug";
export type LogFormat = "auto" | "json" | "pretty";

/** What `serve` runs with. */
export interface ServeConfig {
  readonly databaseUrl: string;
  /** For everything but replication; `databaseUrl` unless set. */
  readonly pooledDatabaseUrl: string;
  /** Path of PEM certificates to verify the server with. */
  readonly databaseCaFile: string | undefined;
  /** Connections for queries, beside the one for replication. */
  readonly poolSize: number;
  /** Names the publication and the slot: `electric_publication_<id>`, `electric_slot_<id>`. */
  readonly streamId: string;
  /** Publication and replica identity are left to the operator. */
  readonly isManualPublishing: boolean;
  /** WAL that the slot may make the server keep; undefined for no limit of ours. */
  readonly maxRetainedBytes: number | undefined;
  /** Without transactions and requests for so long all connections are closed; 0 for never. */
  readonly idleTimeoutMs: number;
  /** Between looks at the database while they are closed. */
  readonly wakeIntervalMs: number;
  /** Undefined exactly when `isInsecure`. */
  readonly secret: string | undefined;
  readonly isInsecure: boolean;
  /** 0 for any free one. */
  readonly port: number;
  readonly listenHost: string;
  /** `:memory:` keeps nothing. */
  readonly storageDir: string;
  /** Waits for whoever holds the storage, and serves meanwhile what is stored. */
  readonly isStandby: boolean;
  /** A port for `/metrics` alone; undefined for none. */
  readonly prometheusPort: number | undefined;
  readonly isDeleteAllowed: boolean;
  readonly cacheMaxAgeSeconds: number;
  readonly cacheStaleAgeSeconds: number;
  readonly chunkBytes: number;
  readonly longPollTimeoutMs: number;
  /** Whether changes come by logical replication, or are found by queries for good. */
  readonly changeSource: "logical" | "query";
  /** A replica to query while the primary is down. */
  readonly fallbackDatabaseUrl: string | undefined;
  /** In fallback a shape that somebody waits for is compared with the database this often. */
  readonly fallbackIntervalMs: number;
  /** After so long the query that compares a shape with the database is cancelled; 0 for never. */
  readonly reconcileTimeoutMs: number;
  readonly maxConcurrentRequests: RequestLimits;
  /** The least recently used shapes beyond it are dropped; undefined for no limit. */
  readonly maxShapes: number | undefined;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
}

/** What the table holds: as `ServeConfig`, before what depends on several options is decided. */
export interface Settings
  extends Omit<ServeConfig, "databaseUrl" | "pooledDatabaseUrl" | "listenHost"> {
  readonly databaseUrl: string | undefined;
  readonly pooledDatabaseUrl: string | undefined;
  readonly listenHost: string | undefined;
  readonly isIpv6: boolean;
}

export interface Option<T> {
  /** Without the dashes. */
  readonly flag: string;
  /** Environment variables, the current name first, then old ones. */
  readonly env: readonly [string, ...string[]];
  readonly type: ValueType<Exclude<T, undefined>>;
  readonly initial: T;
  /** What the default is when `initial` does not say it. */
  readonly initialDoc?: string;
  /** One sentence without a full stop. */
  readonly doc: string;
  /** What must not be shown: all of it, or the password within. `<ENV>_FILE` is read as well. */
  readonly secret?: "all" | "password";
}

export type OptionTable = { readonly [K in keyof Settings]: Option<Settings[K]> };

export const OPTIONS: OptionTable = {
  databaseUrl: {
    flag: "database-url",
    env: ["DATABASE_URL"],
    type: databaseUrl,
    initial: undefined,
    initialDoc: "required",
    doc: "Postgres to replicate from; sslmode is honoured",
    secret: "password",
  },
  pooledDatabaseUrl: {
    flag: "pooled-database-url",
    env: ["ELECTRIC_POOLED_DATABASE_URL", "ELECTRIC_QUERY_DATABASE_URL"],
    type: databaseUrl,
    initial: undefined,
    initialDoc: "the value of DATABASE_URL",
    doc: "The same database for queries, which may be behind a connection pooler",
    secret: "password",
  },
  fallbackDatabaseUrl: {
    flag: "fallback-database-url",
    env: ["ELECTRIC_FALLBACK_DATABASE_URL"],
    type: databaseUrl,
    initial: undefined,
    initialDoc: "none",
    doc: "A replica of the database to query while the primary is down",
    secret: "password",
  },
  changeSource: {
    flag: "change-source",
    env: ["ELECTRIC_CHANGE_SOURCE"],
    type: oneOf<"logical" | "query">(["logical", "query"]),
    initial: "logical",
    doc: "How changes are found: by logical replication, or by queries alone, which need neither " +
      "wal_level=logical nor the REPLICATION right, and can follow views",
  },
  databaseCaFile: {
    flag: "database-ca-certificate-file",
    env: ["ELECTRIC_DATABASE_CA_CERTIFICATE_FILE"],
    type: text,
    initial: undefined,
    initialDoc: "not verified",
    doc: "PEM file of the authorities that the database server's certificate is verified with",
  },
  poolSize: {
    flag: "db-pool-size",
    env: ["ELECTRIC_DB_POOL_SIZE"],
    type: integer(1, 1000),
    initial: 20,
    doc: "Database connections for queries, beside the one for replication",
  },
  streamId: {
    flag: "replication-stream-id",
    env: ["ELECTRIC_REPLICATION_STREAM_ID"],
    type: streamId,
    initial: "default",
    doc: "Names electric_publication_<id> and electric_slot_<id>; two servers need two ids",
  },
  isManualPublishing: {
    flag: "manual-table-publishing",
    env: ["ELECTRIC_MANUAL_TABLE_PUBLISHING"],
    type: boolean,
    initial: false,
    doc: "Never alters the publication or a table: adding them is left to you",
  },
  maxRetainedBytes: {
    flag: "max-retained-wal",
    env: ["ELECTRIC_MAX_RETAINED_WAL"],
    type: bytes,
    initial: undefined,
    initialDoc: "no limit",
    doc: "WAL that the server keeps for us beyond which the slot is dropped and later made anew",
  },
  idleTimeoutMs: {
    flag: "replication-idle-timeout",
    env: ["ELECTRIC_REPLICATION_IDLE_TIMEOUT"],
    type: optionalDurationMs(30_000),
    initial: 0,
    initialDoc: "0, which is never",
    doc: "Without transactions and requests for so long all connections to Postgres are closed, " +
      "until the next request",
  },
  wakeIntervalMs: {
    flag: "replication-wake-interval",
    env: ["ELECTRIC_REPLICATION_WAKE_INTERVAL"],
    type: durationMs,
    initial: 5 * 60_000,
    doc:
      "While connections are closed the WAL that the server keeps is looked at this often, and " +
      "read when it is much",
  },
  secret: {
    flag: "secret",
    env: ["ELECTRIC_SECRET"],
    type: text,
    initial: undefined,
    initialDoc: "required unless insecure",
    doc: "Requests for shapes must carry it as ?secret=…",
    secret: "all",
  },
  isInsecure: {
    flag: "insecure",
    env: ["ELECTRIC_INSECURE"],
    type: boolean,
    initial: false,
    doc: "Serves everyone who can reach the port; not together with a secret",
  },
  port: {
    flag: "port",
    env: ["ELECTRIC_PORT"],
    type: integer(0, 65535),
    initial: 3000,
    doc: "Port of the HTTP API; 0 takes any free one",
  },
  listenHost: {
    flag: "listen-host",
    env: ["ELECTRIC_LISTEN_HOST"],
    type: text,
    initial: undefined,
    initialDoc: "0.0.0.0, or :: with ipv6",
    doc: "Address that the HTTP API listens on",
  },
  isIpv6: {
    flag: "listen-on-ipv6",
    env: ["ELECTRIC_LISTEN_ON_IPV6"],
    type: boolean,
    initial: false,
    doc: "Listens on :: unless another address is given",
  },
  prometheusPort: {
    flag: "prometheus-port",
    env: ["ELECTRIC_PROMETHEUS_PORT"],
    type: integer(1, 65535),
    initial: undefined,
    initialDoc: "none",
    doc: "A port that serves /metrics and nothing else, beside the one of the HTTP API",
  },
  storageDir: {
    flag: "storage-dir",
    env: ["ELECTRIC_STORAGE_DIR"],
    type: text,
    initial: "./persistent",
    doc: "Folder of the shape logs, locked while running; :memory: keeps nothing",
  },
  isStandby: {
    flag: "standby",
    env: ["ELECTRIC_STANDBY"],
    type: boolean,
    initial: false,
    doc: "When another process holds the storage folder: serves what is stored, read-only, and " +
      "takes over when that one ends, instead of ending with an error",
  },
  isDeleteAllowed: {
    flag: "enable-integration-testing",
    env: ["ELECTRIC_ENABLE_INTEGRATION_TESTING"],
    type: boolean,
    initial: false,
    doc: "Allows DELETE of shapes",
  },
  cacheMaxAgeSeconds: {
    flag: "cache-max-age",
    env: ["ELECTRIC_CACHE_MAX_AGE"],
    type: integer(0),
    initial: 60,
    doc: "Seconds that caches may keep answers that are not live",
  },
  cacheStaleAgeSeconds: {
    flag: "cache-stale-age",
    env: ["ELECTRIC_CACHE_STALE_AGE"],
    type: integer(0),
    initial: 300,
    doc: "Seconds that caches may serve such an answer while they fetch a newer one",
  },
  chunkBytes: {
    flag: "shape-chunk-bytes-threshold",
    env: ["ELECTRIC_SHAPE_CHUNK_BYTES_THRESHOLD"],
    type: bytes,
    initial: 10 * 1024 * 1024,
    doc: "Size at which a shape's log is divided into answers",
  },
  longPollTimeoutMs: {
    flag: "long-poll-timeout",
    env: ["ELECTRIC_LONG_POLL_TIMEOUT"],
    type: durationMs,
    initial: 20_000,
    doc: "How long a live request waits for news",
  },
  fallbackIntervalMs: {
    flag: "fallback-interval",
    env: ["ELECTRIC_FALLBACK_INTERVAL"],
    type: durationMs,
    initial: 2_000,
    doc: "How often a shape that is waited for is compared with the database while the " +
      "replication stream does not run",
  },
  reconcileTimeoutMs: {
    flag: "reconcile-timeout",
    env: ["ELECTRIC_RECONCILE_TIMEOUT"],
    type: optionalDurationMs(1_000),
    initial: 5 * 60_000,
    doc:
      "After so long the query that compares a shape with the database is cancelled, to be tried " +
      "again later; 0 for never",
  },
  maxConcurrentRequests: {
    flag: "max-concurrent-requests",
    env: ["ELECTRIC_MAX_CONCURRENT_REQUESTS"],
    type: requestLimits,
    initial: { initial: 300, existing: 10_000 },
    doc: "Requests served at once, those that start a shape and the others; beyond it 503",
  },
  maxShapes: {
    flag: "max-shapes",
    env: ["ELECTRIC_MAX_SHAPES", "ELECTRIC_EXPERIMENTAL_MAX_SHAPES"],
    type: integer(1),
    initial: undefined,
    initialDoc: "no limit",
    doc: "The least recently used shapes beyond this number are dropped",
  },
  logLevel: {
    flag: "log-level",
    env: ["ELECTRIC_LOG_LEVEL"],
    type: oneOf<LogLevel>(["error", "warn", "info", "debug"], {
      warning: "warn",
      notice: "info",
      critical: "error",
      alert: "error",
      emergency: "error",
    }),
    initial: "info",
    doc: "Least severe level that is logged, to stderr",
  },
  logFormat: {
    flag: "log-format",
    env: ["ELECTRIC_LOG_FORMAT"],
    type: oneOf<LogFormat>(["auto", "json", "pretty"]),
    initial: "auto",
    doc: "One JSON object a line, or text for people; auto is pretty on a terminal",
  },
};

/** The table's rows in its order. */
export function listOptions(): readonly { key: keyof Settings; option: Option<unknown> }[] {
  return Object.keys(OPTIONS).filter(isKey).map((key) => ({ key, option: optionOf(key) }));
}

function isKey(key: string): key is keyof Settings {
  return Object.hasOwn(OPTIONS, key);
}

/** A row for code that is the same for every type: it parses and formats what it parsed. */
function optionOf(key: keyof Settings): Option<unknown> {
  return OPTIONS[key] as Option<unknown>;
}

/** Formats the default for help and docs. */
export function formatInitial(option: Option<unknown>): string {
  return option.initialDoc ?? option.type.format(option.initial);
}
