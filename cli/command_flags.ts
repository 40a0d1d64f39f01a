/**
 * The flags of the commands that are not `serve`, once: parsing, help and completions are made from
 * these tables. Those that are options of the server too are in options.ts.
 */

import { boolean, integer, oneOf, text, type ValueType } from "./option_values.ts";

export interface CommandFlag<T> {
  /** Without the dashes. */
  readonly flag: string;
  /** The first of these variables that is set counts where the flag is not given. */
  readonly env?: readonly string[];
  readonly type: ValueType<unknown>;
  readonly isRepeatable: boolean;
  /** Reads all that was given, at least one text; throws as the type does. */
  readonly parse: (texts: readonly string[]) => T;
  readonly initial: T;
  /** What the default is when `initial` does not say it; empty for nothing worth telling. */
  readonly initialDoc: string;
  /** One sentence without a full stop. */
  readonly doc: string;
  readonly isSecret?: boolean;
}

export type FlagTable = Readonly<Record<string, CommandFlag<unknown>>>;
export type FlagValues<T extends FlagTable> = {
  readonly [K in keyof T]: T[K] extends CommandFlag<infer V> ? V : never;
};

interface Extras {
  readonly env?: readonly string[];
  readonly initialDoc?: string;
  readonly isSecret?: boolean;
}

function toggle(flag: string, doc: string, initial = false): CommandFlag<boolean> {
  return { ...one(flag, boolean, initial, doc), initialDoc: initial ? "true" : "" };
}

function one<V, I>(
  flag: string,
  type: ValueType<V>,
  initial: I,
  doc: string,
  extras: Extras = {},
): CommandFlag<V | I> {
  // The last one wins.
  const parse = (texts: readonly string[]) => type.parse(texts[texts.length - 1]);
  return { flag, type, isRepeatable: false, parse, initial, initialDoc: "", doc, ...extras };
}

function list<V>(flag: string, type: ValueType<V>, doc: string): CommandFlag<readonly V[]> {
  const parse = (texts: readonly string[]) => texts.map((each) => type.parse(each));
  return { flag, type, isRepeatable: true, parse, initial: [], initialDoc: "", doc };
}

/** An address without a query; a path is kept, for servers behind a proxy. */
const serverUrl: ValueType<string> = {
  name: "URL",
  parse(value) {
    const url = URL.parse(value);
    if (url && /^https?:$/.test(url.protocol)) {
      return url.href.replace(/[?#].*$/, "").replace(/\/+$/, "");
    }
    throw new SyntaxError('Expected an address such as "http://localhost:3000"');
  },
  format: (value) => value,
};

const since: ValueType<string> = {
  name: "position",
  parse(value) {
    if (/^(?:now|-1|\d+_\d+)$/.test(value)) return value;
    throw new SyntaxError(
      `Expected "now", "-1" or an offset such as "26800584_4", got "${value}"`,
    );
  },
  format: (value) => value,
};

/** Of a where clause: `$1` is 1. */
export interface Param {
  readonly place: string;
  readonly value: string;
}

const param: ValueType<Param> = {
  name: "number=value",
  parse(value) {
    const match = /^\$?([1-9]\d*)=(.*)$/s.exec(value);
    if (match) return { place: match[1], value: match[2] };
    throw new SyntaxError('Expected a place and its value, such as "1=open" for $1');
  },
  format: ({ place, value }) => `${place}=${value}`,
};

const replica = oneOf<"default" | "full">(["default", "full"]);

const URL_FLAG = one("url", serverUrl, undefined, "Where the server is", {
  env: ["ELECTRIC_URL"],
  initialDoc: "http://localhost:3000, or the port of ELECTRIC_PORT",
});

const JSON_FLAG = toggle("json", "Prints JSON for programs");

const SECRET_FLAG = one(
  "secret",
  text,
  undefined,
  "The secret of the server; better left to the variable",
  { env: ["ELECTRIC_SECRET"], isSecret: true },
);

export const STATUS_FLAGS = {
  url: URL_FLAG,
  secret: SECRET_FLAG,
  isJson: JSON_FLAG,
  isWatch: toggle("watch", "Looks again every 2 s and redraws in place, until Ctrl-C"),
  isExitCode: toggle(
    "exit-code",
    "Exits by the mode: 0 live, 3 fallback, 4 starting; for health checks",
  ),
} satisfies FlagTable;

export const TAIL_FLAGS = {
  tables: list("table", text, "The table to follow; may be given several times"),
  where: one(
    "where",
    text,
    undefined,
    "Only rows for which this holds, such as \"status = 'open'\"",
  ),
  params: list("param", param, "A value of $1, $2, … in the where clause"),
  columns: one("columns", text, undefined, "Only these columns, with commas between them"),
  replica: one(
    "replica",
    replica,
    "default" as const,
    "full: updates with their old values, deletes with all of the row",
    { initialDoc: "default" },
  ),
  since: one(
    "since",
    since,
    "-1",
    "From where: -1 the rows as they are and then all changes, now changes only, or an offset, " +
      "which needs --handle",
    { initialDoc: "-1" },
  ),
  handle: one("handle", text, undefined, "The shape that an offset of --since is of"),
  limit: one("limit", integer(1), undefined, "Ends after so many rows and changes", {
    initialDoc: "no limit",
  }),
  isFollowing: toggle("follow", "Goes on with changes; --follow=false ends when up to date", true),
  isJson: toggle("json", "One JSON object a line, as when the output is not a terminal"),
  isSse: toggle("sse", "Changes come as an event stream, not by long polls"),
  url: URL_FLAG,
  secret: SECRET_FLAG,
} satisfies FlagTable;

export const INSPECT_FLAGS = {
  isList: toggle("list", "Lists all shapes"),
  sort: one("sort", text, "table", "Sorts the list by a field of its JSON, such as log_bytes", {
    initialDoc: "table",
  }),
  table: one("table", text, undefined, "Names the shape by its table"),
  where: one("where", text, undefined, "And by its condition"),
  params: list("param", param, "A value of $1, $2, … in the condition"),
  columns: one("columns", text, undefined, "And by its columns, with commas between them"),
  replica: one("replica", replica, undefined, "And by what its changes carry"),
  hasRows: toggle("rows", "Shows the rows that a client of the shape has"),
  hasLog: toggle("log", "Shows the log, item by item"),
  hasChunks: toggle("chunks", "Shows the size of each chunk"),
  key: one("key", text, undefined, "Shows what the log tells of one row"),
  isVerified: toggle("verify", "Compares the rows with the database's and exits 1 if they differ"),
  isJson: JSON_FLAG,
  url: URL_FLAG,
  secret: SECRET_FLAG,
  storageDir: one(
    "storage-dir",
    text,
    undefined,
    "Looks into the storage of a stopped server instead",
  ),
  databaseUrl: one("database-url", text, undefined, "The database to verify with", {
    env: ["DATABASE_URL"],
    isSecret: true,
  }),
} satisfies FlagTable;

export const DOCTOR_FLAGS = {
  tables: list("table", text, "A table to examine that need not be published yet"),
  isJson: JSON_FLAG,
} satisfies FlagTable;

/** Options of the server that `doctor` goes by. */
export const DOCTOR_OPTIONS: readonly string[] = [
  "database-url",
  "database-ca-certificate-file",
  "replication-stream-id",
  "manual-table-publishing",
  "max-retained-wal",
];
