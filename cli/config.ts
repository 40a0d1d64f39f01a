/** Decides what `serve` runs with: flags over environment over file over default. */

import { listOptions, type Option, type ServeConfig, type Settings } from "./options.ts";
import { formatSuggestion, suggest } from "./suggest.ts";

export interface ConfigInputs {
  /** Text by flag name. */
  readonly flags: ReadonlyMap<string, string>;
  readonly env: Readonly<Record<string, string>>;
  /** The file of options, read. */
  readonly file: { readonly path: string; readonly text: string } | undefined;
  /** Reads the files that `<ENV>_FILE` variables name. Throws when it can't. */
  readonly readText: (path: string) => string;
}

export interface ResolvedOption {
  readonly key: keyof Settings;
  readonly option: Option<unknown>;
  readonly value: unknown;
  /** Such as `flag --port`, `env ELECTRIC_PORT`, `file ./config.json` or `default`. */
  readonly source: string;
}

export interface ResolvedConfig {
  /** In the table's order; what could not be read shows its default. */
  readonly options: readonly ResolvedOption[];
  /** Sentences; the configuration can be used when there are none. */
  readonly problems: readonly string[];
  /** Meaningful only without problems. */
  readonly config: ServeConfig;
}

export function resolveConfig(inputs: ConfigInputs): ResolvedConfig {
  const problems: string[] = [];
  const file = parseFile(inputs.file, problems);
  const options = listOptions().map(({ key, option }): ResolvedOption => {
    const given = findGiven(option, inputs, file, problems);
    const fallback = { key, option, value: option.initial, source: "default" };
    if (!given) return fallback;
    try {
      return { key, option, value: option.type.parse(given.text), source: given.source };
    } catch (error) {
      problems.push(`${given.name}: ${messageOf(error)}`);
      return fallback;
    }
  });
  const settings = settingsOf(options);
  problems.push(...checkSettings(settings, problems));
  return { options, problems, config: decideConfig(settings) };
}

interface Given {
  readonly text: string;
  /** How a message calls it. */
  readonly name: string;
  readonly source: string;
}

function findGiven(
  option: Option<unknown>,
  inputs: ConfigInputs,
  file: ReadonlyMap<string, string>,
  problems: string[],
): Given | undefined {
  const flag = inputs.flags.get(option.flag);
  if (flag !== undefined) {
    return { text: flag, name: `--${option.flag}`, source: `flag --${option.flag}` };
  }
  const found = findInEnv(option, inputs, problems);
  if (found) return found;
  const text = file.get(option.flag);
  if (text === undefined) return undefined;
  const source = `file ${inputs.file?.path}`;
  return { text, name: `"${option.flag}" in ${source}`, source };
}

/** An empty variable counts as unset: Docker and Compose pass unset ones on like that. */
function findInEnv(
  option: Option<unknown>,
  { env, readText }: ConfigInputs,
  problems: string[],
): Given | undefined {
  for (const name of option.env) {
    if (env[name]) return { text: env[name], name, source: `env ${name}` };
    const fileName = `${name}_FILE`;
    if (!option.secret || !env[fileName]) continue;
    try {
      const text = readText(env[fileName]).replace(/\r?\n$/, "");
      return { text, name: fileName, source: `env ${fileName}` };
    } catch (error) {
      problems.push(`${fileName}: Can't read "${env[fileName]}": ${messageOf(error)}`);
    }
  }
  return undefined;
}

/** Reads the file's JSON object: texts by flag name. */
function parseFile(file: ConfigInputs["file"], problems: string[]): ReadonlyMap<string, string> {
  const texts = new Map<string, string>();
  if (!file) return texts;
  const flags = listOptions().map(({ option }) => option.flag);
  for (const [name, value] of Object.entries(parseJsonObject(file, problems))) {
    if (flags.includes(name)) {
      texts.set(name, typeof value === "string" ? value : JSON.stringify(value));
    } else {
      const hint = formatSuggestion(suggest(name, flags));
      problems.push(`"${name}" in file ${file.path} is not an option${hint}`);
    }
  }
  return texts;
}

function parseJsonObject(file: { path: string; text: string }, problems: string[]): object {
  try {
    const value: unknown = JSON.parse(file.text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
    problems.push(`File ${file.path} must hold a JSON object`);
  } catch (error) {
    problems.push(`File ${file.path} must hold a JSON object: ${messageOf(error)}`);
  }
  return {};
}

/** The loop over the table parsed each value with its own type. */
function settingsOf(options: readonly ResolvedOption[]): Settings {
  return Object.fromEntries(options.map(({ key, value }) => [key, value])) as unknown as Settings;
}

/** The texts about the secret are the reference server's (WIRE.md 1.2). */
function checkSettings(settings: Settings, earlier: readonly string[]): readonly string[] {
  const problems: string[] = [];
  if (
    settings.databaseUrl === undefined && !earlier.some((line) => line.includes("DATABASE_URL"))
  ) {
    problems.push("DATABASE_URL is required: set it, or pass --database-url");
  }
  if (settings.isInsecure && settings.secret !== undefined) {
    problems.push("You cannot set both ELECTRIC_SECRET and ELECTRIC_INSECURE=true");
  }
  const hasSecretProblem = earlier.some((line) => /secret|insecure/i.test(line));
  if (!settings.isInsecure && settings.secret === undefined && !hasSecretProblem) {
    problems.push(
      "You must set ELECTRIC_SECRET unless ELECTRIC_INSECURE=true. Setting ELECTRIC_INSECURE=true risks exposing your database, only use insecure mode in development or you've otherwise secured the Electric API",
    );
  }
  return problems;
}

function decideConfig({ isIpv6, ...settings }: Settings): ServeConfig {
  const databaseUrl = settings.databaseUrl ?? "";
  return {
    ...settings,
    databaseUrl,
    pooledDatabaseUrl: settings.pooledDatabaseUrl ?? databaseUrl,
    listenHost: settings.listenHost ?? (isIpv6 ? "::" : "0.0.0.0"),
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
