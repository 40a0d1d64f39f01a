/** From what was read of a Postgres to what that means for us, and what mends it. Pure. */

import { type DoctorOptions, fault, type Finding, ok, warning } from "./doctor_finding.ts";
import type { DoctorReadings, DoctorResult, Failure } from "./doctor_readings.ts";
import { judgePublication, judgeSlot, judgeTables } from "./doctor_objects.ts";
import { judgeWanted } from "./doctor_tables.ts";
import { policyFor } from "./postgres_error.ts";
import { quoteIdent } from "./sql_text.ts";

/** All findings, in the order of the way to a running stream. */
export function judge(result: DoctorResult, options: DoctorOptions): readonly Finding[] {
  if (result.kind === "unreachable") {
    const meaning = "Nothing else can be checked";
    const mend = policyFor(result.failure.code).hint ?? "Look at the network, and whether it runs";
    return [fault("connection", result.failure.message, meaning, mend)];
  }
  const { readings } = result;
  return [
    ok(
      "connection",
      `as ${quoteIdent(readings.role.name)} to ${quoteIdent(readings.role.database)}`,
    ),
    ...judgeSession(readings),
    ...judgeServer(readings),
    ...judgeRole(readings, options),
    ...judgeCapacity(readings),
    ...judgeRetention(readings, options),
    ...judgeTimeouts(readings),
    ...judgePublication(readings, options),
    ...judgeSlot(readings),
    ...judgeTables(readings, options),
    ...judgeWanted(readings, options),
  ];
}

const CLOCK_DIFFERENCE_MAX_MS = 5000;

function judgeSession({ session }: DoctorReadings): readonly Finding[] {
  const { isTls, isLocal, tlsVersion, isPooled, clockAheadMs } = session;
  const seconds = Math.round(clockAheadMs / 100) / 10;
  return [
    isTls || isLocal
      ? ok("tls", isTls ? tlsVersion ?? "in use" : "not in use, on this machine")
      : warning(
        "tls",
        "not in use",
        "Passwords' hashes and rows cross the network as they are",
        "Set ssl = on in postgresql.conf, and sslmode=verify-full in DATABASE_URL",
      ),
    isPooled
      ? fault(
        "pooler",
        "a connection pooler answers",
        "Replication and session locks do not go through one",
        "Point DATABASE_URL at Postgres itself; queries may go through the pooler: " +
          "ELECTRIC_POOLED_DATABASE_URL",
      )
      : ok("pooler", "none in the way"),
    Math.abs(clockAheadMs) <= CLOCK_DIFFERENCE_MAX_MS
      ? ok("clock", `${Math.abs(seconds)} s apart`)
      : warning(
        "clock",
        `Postgres is ${Math.abs(seconds)} s ${seconds > 0 ? "ahead" : "behind"}`,
        "Times in the logs of the two can't be compared",
        "Run an NTP client, such as chrony, on both machines",
      ),
  ];
}

const VERSION_MIN = 140_000;

function judgeServer({ server }: DoctorReadings): readonly Finding[] {
  const { version, versionText, settings, encoding, isInRecovery } = server;
  const walLevel = settings.wal_level ?? "";
  return [
    version >= VERSION_MIN ? ok("version", `Postgres ${versionText}`) : fault(
      "version",
      `Postgres ${versionText}`,
      "Too old: 14 is the first that is supported",
      "Upgrade Postgres",
    ),
    isInRecovery
      ? fault(
        "primary",
        "a standby",
        "It can't hold the publication and the slot",
        "Point DATABASE_URL at the primary; a standby may be ELECTRIC_FALLBACK_DATABASE_URL",
      )
      : ok("primary", "yes"),
    walLevel === "logical" ? ok("wal_level", walLevel) : fault(
      "wal_level",
      walLevel,
      "There is no logical replication: serve stays in fallback",
      "ALTER SYSTEM SET wal_level = logical; then restart Postgres",
    ),
    encoding === "UTF8" ? ok("encoding", encoding) : warning(
      "encoding",
      encoding,
      "Text is converted to UTF-8: what has no place there makes reading a table fail",
      "CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0, and move the data",
    ),
  ];
}

function judgeRole(
  { role, replicationFailure, publication, names }: DoctorReadings,
  { isManual }: DoctorOptions,
): readonly Finding[] {
  const name = quoteIdent(role.name);
  return [
    judgeReplication(name, replicationFailure),
    judgeCreate({ role, publication, names }, name, isManual),
    role.canReadStats ? ok("pg_read_all_stats", "granted") : warning(
      "pg_read_all_stats",
      "not granted",
      "The lock of an instance that died without a word can't be broken: a second one waits for TCP",
      `GRANT pg_read_all_stats TO ${name};`,
    ),
  ];
}

function judgeReplication(name: string, failure: Failure | undefined): Finding {
  if (!failure) return ok("replication", "the role may replicate, and a connection is let in");
  const isRight = failure.code === "privilegeMissing";
  return fault(
    "replication",
    failure.message,
    "The stream can't be opened: serve stays in fallback",
    isRight
      ? `ALTER ROLE ${name} REPLICATION;`
      : policyFor(failure.code).hint ?? "Look at pg_hba.conf and at what stands between",
  );
}

function judgeCreate(
  { role, publication, names }: Pick<DoctorReadings, "role" | "publication" | "names">,
  name: string,
  isManual: boolean,
): Finding {
  const check = "create";
  if (role.canCreate) return ok(check, `granted on ${quoteIdent(role.database)}`);
  if (isManual || publication) return ok(check, "not granted, and not needed");
  return fault(
    check,
    `no CREATE on ${quoteIdent(role.database)}`,
    "The publication can't be made",
    `GRANT CREATE ON DATABASE ${quoteIdent(role.database)} TO ${name}; or as a superuser ` +
      `CREATE PUBLICATION ${
        quoteIdent(names.publication)
      }; and ELECTRIC_MANUAL_TABLE_PUBLISHING=true`,
  );
}

function judgeCapacity({ server, slot }: DoctorReadings): readonly Finding[] {
  const { settings, slotsUsed, walSendersUsed } = server;
  const slotsNeeded = slot ? 0 : 1, sendersNeeded = slot?.isActive ? 0 : 1;
  return [
    judgeRoom("max_replication_slots", settings, slotsUsed, slotsNeeded),
    judgeRoom("max_wal_senders", settings, walSendersUsed, sendersNeeded),
  ];
}

function judgeRoom(
  name: string,
  settings: DoctorReadings["server"]["settings"],
  used: number,
  needed: number,
): Finding {
  const max = Number(settings[name] ?? 0), found = `${used} of ${max} used`;
  if (max - used >= needed) return ok(name, found);
  return fault(
    name,
    found,
    "There is none left for us: serve stays in fallback",
    `ALTER SYSTEM SET ${name} = ${max + 5}; then restart Postgres. Or drop what is not used`,
  );
}

function judgeRetention(
  { server }: DoctorReadings,
  { maxRetainedBytes }: DoctorOptions,
): readonly Finding[] {
  const check = "max_slot_wal_keep_size", size = server.settings[check] ?? "-1";
  if (size !== "-1") return [ok(check, size)];
  if (maxRetainedBytes !== undefined) {
    return [ok(check, `no limit, but ELECTRIC_MAX_RETAINED_WAL is ${maxRetainedBytes} bytes`)];
  }
  return [
    warning(
      check,
      "no limit",
      "While serve is stopped its slot makes Postgres keep WAL until the disk is full",
      "ALTER SYSTEM SET max_slot_wal_keep_size = '10GB'; SELECT pg_reload_conf();",
    ),
  ];
}

const SENDER_TIMEOUT_MIN_MS = 10_000;

/** What Postgres ends by the clock. Snapshots turn the limits of statements off for themselves. */
function judgeTimeouts({ server }: DoctorReadings): readonly Finding[] {
  const { settings } = server;
  const sender = settings.wal_sender_timeout ?? "0";
  const isOff = (name: string) => !settings[name] || parseMs(settings[name]) === 0;
  const findings = [judgeSenderTimeout(sender)];
  for (const name of ["transaction_timeout", "idle_replication_slot_timeout"]) {
    if (!isOff(name)) findings.push(judgeLimit(name, settings[name] ?? ""));
  }
  const harmless = [
    "statement_timeout",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
  ]
    .filter((name) => !isOff(name)).map((name) => `${name} ${settings[name]}`);
  findings.push(ok("timeouts", harmless.length > 0 ? `${harmless.join(", ")}: no harm` : "none"));
  if (settings.default_transaction_read_only === "on") {
    findings.push(fault(
      "read_only",
      "default_transaction_read_only is on",
      "The publication can't be made, nor tables added to it",
      "ALTER ROLE … SET default_transaction_read_only = off, for the role of DATABASE_URL",
    ));
  }
  return findings;
}

function judgeSenderTimeout(text: string): Finding {
  const check = "wal_sender_timeout", ms = parseMs(text);
  const mend = "ALTER SYSTEM SET wal_sender_timeout = '60s'; SELECT pg_reload_conf();";
  if (ms === 0) {
    const meaning = "A connection that died without a word holds the slot until TCP gives it up";
    return warning(check, "never", meaning, mend);
  }
  if (ms >= SENDER_TIMEOUT_MIN_MS) return ok(check, text);
  return warning(check, text, "A short pause of the network or of serve ends the stream", mend);
}

function judgeLimit(name: string, value: string): Finding {
  const meaning = name === "transaction_timeout"
    ? "A snapshot of a large table that takes longer is cut off"
    : "The slot is invalidated while serve is stopped for longer: a new one is made then";
  return warning(name, value, meaning, `ALTER SYSTEM SET ${name} = 0; SELECT pg_reload_conf();`);
}

const UNITS_MS: Readonly<Record<string, number>> = {
  us: 0.001,
  ms: 1,
  s: 1000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** As `current_setting` writes times: `0`, `500ms`, `1min`. */
function parseMs(text: string): number {
  const [, number = "0", unit = ""] = /^(\d+)\s*([a-z]*)$/.exec(text) ?? [];
  return Number(number) * (UNITS_MS[unit] ?? 1);
}
