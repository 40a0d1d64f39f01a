/** `electric-ts doctor`: examines a Postgres and tells what it lacks. */

import type { DoctorOptions, Finding } from "../../replication/doctor_finding.ts";
import { judge } from "../../replication/doctor_findings.ts";
import { readDoctor } from "../../replication/doctor_readings.ts";
import { DOCTOR_FLAGS, DOCTOR_OPTIONS } from "../command_flags.ts";
import { parseRequestedTable } from "../../shapes/definition.ts";
import { InvalidRequestError } from "../../shapes/errors.ts";
import type { TableName } from "../../shapes/table.ts";
import type { CommandIo } from "../command_io.ts";
import type { GivenFlags } from "../command_line.ts";
import { UsageError } from "../usage_error.ts";
import { resolveConfig } from "../config.ts";
import { formatDoctor, formatDoctorJson } from "./doctor_report.ts";
import { databaseUrl } from "../open_postgres.ts";
import { listOptions, type ServeConfig } from "../options.ts";
import { readFlags } from "../read_flags.ts";

const EXIT_CODES = { ok: 0, error: 1, warning: 3 } as const;

/** Resolves with the exit code: 0 if all is well, 3 for warnings only, 1 for errors. */
export async function runDoctor(given: GivenFlags, io: CommandIo): Promise<number> {
  const { isJson, tables } = readFlags("doctor", DOCTOR_FLAGS, given, io.env);
  const config = readConfig(given, io);
  const result = await readDoctor({
    url: databaseUrl(config, config.databaseUrl),
    streamId: config.streamId,
    tables: tables.map(readTableName),
    nowMs: io.nowMs,
  });
  const options: DoctorOptions = {
    isManual: config.isManualPublishing,
    maxRetainedBytes: config.maxRetainedBytes,
  };
  const findings = judge(result, options);
  io.out(isJson ? formatDoctorJson(findings) : formatDoctor(findings, io.paintOut));
  return EXIT_CODES[worstOf(findings)];
}

function readTableName(text: string): TableName {
  try {
    return parseRequestedTable(text);
  } catch (error) {
    if (!(error instanceof InvalidRequestError)) throw error;
    throw new UsageError(`--table: ${Object.values(error.errors).flat().join(", ")}`, "doctor");
  }
}

function worstOf(findings: readonly Finding[]): Finding["severity"] {
  const has = (severity: Finding["severity"]) =>
    findings.some((finding) => finding.severity === severity);
  return has("error") ? "error" : has("warning") ? "warning" : "ok";
}

/** The server's options that matter here; a secret is none of them. */
function readConfig(given: GivenFlags, { env }: CommandIo): ServeConfig {
  const names = listOptions().map(({ option }) => option)
    .filter(({ flag }) => DOCTOR_OPTIONS.includes(flag))
    .flatMap((option) => option.env).flatMap((name) => [name, `${name}_FILE`]);
  const flags = new Map([...given].map(([flag, texts]) => [flag, texts[texts.length - 1]]));
  const resolved = resolveConfig({
    flags: new Map([...flags, ["insecure", "true"]]),
    env: Object.fromEntries(Object.entries(env).filter(([name]) => names.includes(name))),
    file: undefined,
    readText: Deno.readTextFileSync,
  });
  if (resolved.problems.length > 0) throw new UsageError(resolved.problems.join("\n"), "doctor");
  return resolved.config;
}
