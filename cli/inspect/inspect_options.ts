/** What `inspect-shape` takes, and what was asked for. */

import { parseArgs } from "node:util";
import { UsageError } from "../usage_error.ts";
import type { DefinitionRequest } from "../../shapes/service.ts";
import { formatSuggestion, suggest } from "../suggest.ts";

export interface InspectFlag {
  readonly name: string;
  /** What help calls the value; undefined for a flag without one. */
  readonly value?: string;
  readonly isRepeated?: boolean;
  /** Without a full stop. */
  readonly doc: string;
}

export const INSPECT_FLAGS: readonly InspectFlag[] = [
  { name: "list", doc: "Lists all shapes" },
  { name: "sort", value: "field", doc: "Sorts the list by a field of its JSON, such as log_bytes" },
  { name: "table", value: "name", doc: "Names the shape by its table" },
  { name: "where", value: "condition", doc: "And by its condition" },
  { name: "param", value: "n=value", isRepeated: true, doc: "A value of $1, … in it; repeatable" },
  { name: "columns", value: "names", doc: "And by its columns, with commas between them" },
  { name: "replica", value: "default|full", doc: "And by what its changes carry" },
  { name: "rows", doc: "Shows the rows that a client of the shape has" },
  { name: "log", doc: "Shows the log, item by item" },
  { name: "chunks", doc: "Shows the size of each chunk" },
  { name: "key", value: "key", doc: "Shows what the log tells of one row" },
  { name: "verify", doc: "Compares the rows with the database's and exits 1 if they differ" },
  { name: "json", doc: "Writes one JSON document" },
  { name: "url", value: "url", doc: "The server to ask; http://localhost:3000 by default" },
  { name: "secret", value: "text", doc: "Its secret; ELECTRIC_SECRET by default" },
  { name: "storage-dir", value: "path", doc: "Looks into the storage of a stopped server instead" },
  { name: "database-url", value: "url", doc: "To verify with; DATABASE_URL by default" },
  { name: "help", doc: "Shows this help" },
];

export const INSPECT_EXAMPLES = [
  "electric-ts inspect-shape --list --sort log_bytes",
  "electric-ts inspect-shape --table issues --where 'project = 7' --rows",
  'electric-ts inspect-shape 81245370-1764000000000000 --key \'"public"."issues"/"1"\'',
  "electric-ts inspect-shape --table issues --verify --database-url postgresql://localhost/app",
  "electric-ts inspect-shape --list --storage-dir ./persistent",
] as const;

export type Wish =
  | { readonly kind: "help" }
  | { readonly kind: "list"; readonly sort: string | undefined }
  | { readonly kind: "handle"; readonly handle: string }
  | {
    readonly kind: "table";
    readonly definition: DefinitionRequest;
    /** Only the table was named: any shape on it will do, if there is one. */
    readonly isLoose: boolean;
  };

export interface InspectOptions {
  readonly wish: Wish;
  readonly hasRows: boolean;
  readonly hasLog: boolean;
  readonly hasChunks: boolean;
  readonly key: string | undefined;
  readonly isVerified: boolean;
  readonly isJson: boolean;
  readonly url: string;
  readonly secret: string | undefined;
  readonly storageDir: string | undefined;
  readonly databaseUrl: string | undefined;
}

const DEFAULT_URL = "http://localhost:3000";

/** Throws `UsageError`. */
export function parseInspectOptions(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): InspectOptions {
  const { texts, toggles, positionals } = readFlags(args);
  const text = (name: string) => texts.get(name)?.at(-1);
  const options: InspectOptions = {
    wish: readWish(positionals, texts, toggles),
    hasRows: toggles.has("rows"),
    hasLog: toggles.has("log"),
    hasChunks: toggles.has("chunks"),
    key: text("key"),
    isVerified: toggles.has("verify"),
    isJson: toggles.has("json"),
    url: text("url") ?? DEFAULT_URL,
    secret: text("secret") ?? (env.ELECTRIC_SECRET || undefined),
    storageDir: text("storage-dir"),
    databaseUrl: text("database-url") ?? (env.DATABASE_URL || undefined),
  };
  if (!URL.canParse(options.url)) throw new UsageError(`"${options.url}" is not a URL`);
  if (options.isVerified && options.databaseUrl === undefined) {
    throw new UsageError("--verify needs the database: pass --database-url, or set DATABASE_URL");
  }
  return options;
}

interface Given {
  readonly texts: ReadonlyMap<string, readonly string[]>;
  readonly toggles: ReadonlySet<string>;
  readonly positionals: readonly string[];
}

function readFlags(args: readonly string[]): Given {
  const { tokens, positionals } = parseArgs({
    args: [...args],
    options: {
      ...Object.fromEntries(INSPECT_FLAGS.map(({ name, value }) => [name, {
        type: value === undefined ? "boolean" as const : "string" as const,
      }])),
      "no-color": { type: "boolean" },
    },
    // Unknown flags are reported here, with a suggestion.
    strict: false,
    tokens: true,
  });
  const texts = new Map<string, string[]>();
  const toggles = new Set<string>();
  for (const token of tokens) {
    if (token.kind !== "option" || token.name === "no-color") continue;
    const flag = INSPECT_FLAGS.find(({ name }) => name === token.name);
    if (!flag) {
      const names = INSPECT_FLAGS.map(({ name }) => `--${name}`);
      const hint = formatSuggestion(suggest(token.rawName, names));
      throw new UsageError(`Unknown flag "${token.rawName}"${hint}`);
    }
    if (flag.value === undefined) toggles.add(flag.name);
    else if (token.value === undefined) {
      throw new UsageError(`Flag "${token.rawName}" needs a value`);
    } else texts.set(flag.name, [...texts.get(flag.name) ?? [], token.value]);
  }
  return { texts, toggles, positionals };
}

function readWish(
  positionals: readonly string[],
  texts: Given["texts"],
  toggles: Given["toggles"],
): Wish {
  if (toggles.has("help")) return { kind: "help" };
  const [handle, extra] = positionals;
  if (extra !== undefined) throw new UsageError(`Unexpected argument "${extra}"`);
  const table = texts.get("table")?.at(-1);
  const ways = [handle, table, toggles.has("list") || undefined].filter((way) => way !== undefined);
  if (ways.length !== 1) {
    throw new UsageError("Name one shape: by its HANDLE or by --table; or pass --list");
  }
  if (handle !== undefined) return { kind: "handle", handle };
  if (table === undefined) return { kind: "list", sort: texts.get("sort")?.at(-1) };
  const narrowing = ["where", "param", "columns", "replica"];
  return {
    kind: "table",
    definition: readDefinition(table, texts),
    isLoose: !narrowing.some((name) => texts.has(name)),
  };
}

function readDefinition(table: string, texts: Given["texts"]): DefinitionRequest {
  const params = (texts.get("param") ?? []).map((text): [string, string] => {
    const at = text.indexOf("=");
    if (at < 1) throw new UsageError(`--param wants "1=value", got "${text}"`);
    return [text.slice(0, at), text.slice(at + 1)];
  });
  const replica = texts.get("replica")?.at(-1) ?? "default";
  if (replica !== "default" && replica !== "full") {
    throw new UsageError(`--replica wants "default" or "full", got "${replica}"`);
  }
  return {
    table,
    where: texts.get("where")?.at(-1),
    params: new Map(params),
    columns: texts.get("columns")?.at(-1),
    queryableColumns: undefined,
    replica,
    log: "full",
  };
}

export function formatInspectHelp(): string {
  const flags = INSPECT_FLAGS.flatMap(({ name, value, doc }) => [
    `  --${name}${value === undefined ? "" : ` <${value}>`}`,
    `      ${doc}`,
  ]);
  return [
    "Examples:",
    ...INSPECT_EXAMPLES.map((line) => `  ${line}`),
    "",
    "Shows shapes: their definition, positions, sizes, rows and log.",
    "",
    "Flags:",
    ...flags,
    "",
  ].join("\n");
}
