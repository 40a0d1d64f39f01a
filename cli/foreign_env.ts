/**
 * Environment variables of the reference server that have no meaning here: they are recognised, so
 * that someone who changes over learns which of their settings do nothing (WIRE.md section 9).
 */

import { type FlagTable, STATUS_FLAGS, TAIL_FLAGS } from "./command_flags.ts";
import { listOptions } from "./options.ts";
import { formatSuggestion, suggest } from "./suggest.ts";

const TELEMETRY = "telemetry of the reference server";
const BEAM = "tunes the reference server's runtime";
const NOTHING = "there is nothing like it here";
const SHAPE_DB = "tunes a shape index that is not there";
const SOCKET = "the operating system's and the runtime's values are used";
const STREAM = "the replication stream needs no such setting";

/** Why each does nothing. */
const UNSUPPORTED: Readonly<Record<string, string>> = {
  ELECTRIC_DATABASE_USE_IPV6: "the host's address decides",
  ELECTRIC_DATABASE_TCP_KEEPALIVE_IDLE: SOCKET,
  ELECTRIC_DATABASE_TCP_KEEPALIVE_INTERVAL: SOCKET,
  ELECTRIC_DATABASE_TCP_KEEPALIVE_COUNT: SOCKET,
  ELECTRIC_DATABASE_TCP_USER_TIMEOUT: SOCKET,
  ELECTRIC_DATABASE_ID: "there is one database a process",
  CLEANUP_REPLICATION_SLOTS_ON_SHUTDOWN: "the slot stays: drop it with pg_drop_replication_slot()",
  ELECTRIC_TEMPORARY_REPLICATION_SLOT_USE_RANDOM_NAME: "the slot is not temporary",
  ELECTRIC_PUBLICATION_ALTER_DEBOUNCE_TIME: STREAM,
  ELECTRIC_TWEAKS_PUBLICATION_REFRESH_PERIOD: STREAM,
  ELECTRIC_TWEAKS_SCHEMA_RECONCILER_PERIOD: STREAM,
  ELECTRIC_EXPERIMENTAL_MAX_TXN_SIZE: "transactions may have any size",
  ELECTRIC_EXPERIMENTAL_MAX_BATCH_SIZE: STREAM,
  ELECTRIC_TCP_SEND_TIMEOUT: SOCKET,
  ELECTRIC_TCP_READ_TIMEOUT: SOCKET,
  ELECTRIC_TWEAKS_HTTP_API_NUM_ACCEPTORS: BEAM,
  ELECTRIC_TWEAKS_CONN_MAX_REQUESTS: "connections may carry any number of requests",
  ELECTRIC_TWEAKS_HANDLER_FULLSWEEP_AFTER: BEAM,
  ELECTRIC_STORAGE: "set ELECTRIC_STORAGE_DIR, or set it to :memory:",
  ELECTRIC_PERSISTENT_STATE: "set ELECTRIC_STORAGE_DIR, or set it to :memory:",
  ELECTRIC_CONSUMER_PARTITIONS: BEAM,
  ELECTRIC_CLEANUP_INTERVAL_MS: "dropped shapes are removed at once",
  ELECTRIC_SHAPE_HIBERNATE_AFTER: BEAM,
  ELECTRIC_SHAPE_SUSPEND_CONSUMER: BEAM,
  ELECTRIC_SHAPE_SUSPEND_AFTER: BEAM,
  ELECTRIC_FLUSH_STALL_GRACE_PERIOD: NOTHING,
  ELECTRIC_SUBQUERY_BUFFER_MAX_TRANSACTIONS: NOTHING,
  ELECTRIC_SHAPE_DB_EXCLUSIVE_MODE: SHAPE_DB,
  ELECTRIC_SHAPE_DB_STORAGE_DIR: SHAPE_DB,
  ELECTRIC_SHAPE_DB_SYNCHRONOUS: SHAPE_DB,
  ELECTRIC_SHAPE_DB_CACHE_SIZE: SHAPE_DB,
  ELECTRIC_SHAPE_DB_ENABLE_STATS: SHAPE_DB,
  ELECTRIC_SHAPE_DB_ENABLE_MEMORY_STATS: SHAPE_DB,
  ELECTRIC_FEATURE_FLAGS: "there are no feature flags",
  ELECTRIC_LOG_COLORS: "set NO_COLOR instead",
  ELECTRIC_LOG_OTP_REPORTS: BEAM,
  ELECTRIC_SERVICE_NAME: TELEMETRY,
  ELECTRIC_INSTANCE_ID: TELEMETRY,
  ELECTRIC_USAGE_REPORTING: "nothing is reported to anyone",
  ELECTRIC_TELEMETRY_URL: "nothing is reported to anyone",
  ELECTRIC_LIVE_DASHBOARD_PORT: TELEMETRY,
  ELECTRIC_STATSD_HOST: TELEMETRY,
  ELECTRIC_OTLP_ENDPOINT: TELEMETRY,
  ELECTRIC_OTEL_DEBUG: TELEMETRY,
  ELECTRIC_HNY_API_KEY: TELEMETRY,
  ELECTRIC_HNY_DATASET: TELEMETRY,
  SENTRY_DSN: TELEMETRY,
  ELECTRIC_OTEL_SAMPLING_RATIO: TELEMETRY,
  ELECTRIC_METRICS_SAMPLING_RATIO: TELEMETRY,
  ELECTRIC_OTEL_EXPORT_PERIOD: TELEMETRY,
  ELECTRIC_SYSTEM_METRICS_POLL_INTERVAL: TELEMETRY,
  ELECTRIC_STACK_TELEMETRY_INIT_DELAY: TELEMETRY,
  ELECTRIC_DROP_EMPTY_RESPONSE_SPANS: TELEMETRY,
  ELECTRIC_EXCLUDE_SPANS: TELEMETRY,
  ELECTRIC_TELEMETRY_TOP_PROCESS_LIMIT: TELEMETRY,
  ELECTRIC_TELEMETRY_TOP_PROCESS_COUNT: TELEMETRY,
  ELECTRIC_TELEMETRY_LONG_GC_THRESHOLD: TELEMETRY,
  ELECTRIC_TELEMETRY_LONG_SCHEDULE_THRESHOLD: TELEMETRY,
  ELECTRIC_TELEMETRY_LONG_MESSAGE_QUEUE_ENABLE_THRESHOLD: TELEMETRY,
  ELECTRIC_TELEMETRY_LONG_MESSAGE_QUEUE_DISABLE_THRESHOLD: TELEMETRY,
  ELECTRIC_PROCESS_SPAWN_OPTS: BEAM,
  ELECTRIC_CONSUMER_GC_HEAP_THRESHOLD: BEAM,
  ELECTRIC_TWEAKS_PROCESS_REGISTRY_PARTITIONS: BEAM,
  ELECTRIC_PROFILE_WHERE_CLAUSES: BEAM,
};

/** The variable that names the file of options. */
export const CONFIG_FILE_ENV = "ELECTRIC_CONFIG_FILE";

/** The variables that are recognised but do nothing, each with the reason. */
export function listUnsupported(): readonly (readonly [name: string, reason: string])[] {
  return Object.entries(UNSUPPORTED);
}

/** One warning for each variable that is set and does nothing. Values are not shown. */
export function warnOfForeign(env: Readonly<Record<string, string>>): readonly string[] {
  const known = knownNames();
  const warnings: string[] = [];
  for (const name of Object.keys(env).toSorted()) {
    if (known.has(name)) continue;
    const reason = UNSUPPORTED[name];
    if (reason !== undefined) warnings.push(`${name} is not supported and does nothing: ${reason}`);
    else if (name.startsWith("ELECTRIC_")) {
      const hint = formatSuggestion(suggest(name, [...known, ...Object.keys(UNSUPPORTED)]));
      warnings.push(`${name} is not known and does nothing${hint}`);
    }
  }
  return warnings;
}

function knownNames(): ReadonlySet<string> {
  const known = new Set([CONFIG_FILE_ENV, ...toolVariables()]);
  for (const { option } of listOptions()) {
    for (const name of option.env) {
      known.add(name);
      if (option.secret) known.add(`${name}_FILE`);
    }
  }
  return known;
}

/** What only the commands beside `serve` listen to, such as ELECTRIC_URL. */
function toolVariables(): readonly string[] {
  const tables: readonly FlagTable[] = [STATUS_FLAGS, TAIL_FLAGS];
  return tables.flatMap((table) => Object.values(table).flatMap(({ env }) => env ?? []));
}
