/** What went wrong with Postgres, in our own codes, and what to do about each of them. */

/** Raised by our own side of a connection, before or beside what the server says. */
export class ConnectionError extends Error {
  override readonly name = "ConnectionError";
  readonly code: PostgresErrorCode;

  constructor(code: PostgresErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  /** Wraps a socket's error. `fallback` is the code of errors that are not plainly the network's. */
  static from(error: Error, host: string, fallback?: PostgresErrorCode): ConnectionError {
    if (error instanceof ConnectionError) return error;
    const network = NETWORK_CODES[textOf(error, "code")];
    const code = network ?? fallback ?? "unknown";
    return new ConnectionError(code, `Cannot connect to ${host}: ${error.message}`, {
      cause: error,
    });
  }
}

export type PostgresErrorCode =
  | "authenticationFailed"
  | "closed"
  | "databaseMissing"
  | "diskFull"
  | "historyChanged"
  | "hostRejected"
  | "hostUnknown"
  | "privilegeMissing"
  | "protocol"
  | "publicationIncomplete"
  | "publicationMissing"
  | "readOnly"
  | "refused"
  | "serverTooOld"
  | "shutdown"
  | "slotInUse"
  | "slotLost"
  | "slotMismatch"
  | "slotsExhausted"
  | "sslUnavailable"
  | "stalled"
  | "startingUp"
  | "timeout"
  | "tlsFailed"
  | "tooManyConnections"
  | "unknown"
  | "walBudget"
  | "walLevel"
  | "walSendersExhausted";

export interface Policy {
  /** Whether it will stay until somebody changes the configuration or the database. */
  readonly isFatal: boolean;
  /** What to do about it. */
  readonly hint: string | undefined;
}

const TRANSIENT: Policy = { isFatal: false, hint: undefined };

/** The policy of every code. */
export function policyFor(code: PostgresErrorCode): Policy {
  return POLICIES[code];
}

const POLICIES: Readonly<Record<PostgresErrorCode, Policy>> = {
  authenticationFailed: fatal("Check the user and the password in DATABASE_URL"),
  closed: TRANSIENT,
  databaseMissing: fatal("Create the database or correct its name in DATABASE_URL"),
  diskFull: { ...TRANSIENT, hint: "Free space on the disk of the database server" },
  historyChanged: TRANSIENT,
  hostRejected: fatal(
    "Allow this host, user and database in pg_hba.conf, and try another sslmode in DATABASE_URL",
  ),
  hostUnknown: fatal("Check the host name in DATABASE_URL"),
  privilegeMissing: fatal(
    "Grant the role what it lacks: REPLICATION, CREATE on the database, ownership of the tables; " +
      "or create the publication by hand and set ELECTRIC_MANUAL_TABLE_PUBLISHING=true",
  ),
  protocol: TRANSIENT,
  publicationIncomplete: fatal(
    "Run ALTER PUBLICATION … SET (publish = 'insert, update, delete, truncate')",
  ),
  publicationMissing: fatal("Create the publication, or let it be created"),
  readOnly: fatal("Connect to the primary: a standby can't hold the publication and the slot"),
  refused: TRANSIENT,
  serverTooOld: fatal("Upgrade Postgres to version 14 or later"),
  shutdown: TRANSIENT,
  slotInUse: {
    isFatal: false,
    hint: "Wait for the server to notice that the previous connection is gone, or stop its process",
  },
  slotLost: {
    isFatal: false,
    hint: "Raise max_slot_wal_keep_size so that the slot survives longer interruptions",
  },
  slotMismatch: fatal(
    "Choose another ELECTRIC_REPLICATION_STREAM_ID or drop the slot that has the name",
  ),
  slotsExhausted: fatal("Raise max_replication_slots or drop slots that are not used"),
  sslUnavailable: fatal("Turn TLS on at the server, or set sslmode=prefer in DATABASE_URL"),
  stalled: TRANSIENT,
  startingUp: TRANSIENT,
  timeout: TRANSIENT,
  tlsFailed: fatal("Check the server's certificate and ELECTRIC_DATABASE_CA_CERTIFICATE_FILE"),
  tooManyConnections: {
    ...TRANSIENT,
    hint: "Raise max_connections, or lower ELECTRIC_DB_POOL_SIZE",
  },
  unknown: TRANSIENT,
  walBudget: {
    isFatal: false,
    hint: "Raise ELECTRIC_MAX_RETAINED_WAL so that the slot survives longer interruptions",
  },
  walLevel: fatal("Set wal_level to logical and restart Postgres"),
  walSendersExhausted: fatal("Raise max_wal_senders or stop replicas that are not used"),
};

function fatal(hint: string): Policy {
  return { isFatal: true, hint };
}

/** Classifies whatever was thrown while talking to Postgres. */
export function classifyPostgresError(error: unknown): PostgresErrorCode {
  if (error instanceof ConnectionError) return error.code;
  if (!(error instanceof Error)) return "unknown";
  if (error.name === "ProtocolError") return "protocol";
  const code = textOf(error, "code");
  // How older runtimes report a certificate that does not verify.
  if (error.message.startsWith("invalid peer certificate")) return "tlsFailed";
  return byMessage(code, error.message) ?? SQL_STATES[code] ?? SQL_CLASSES[code.slice(0, 2)] ??
    NETWORK_CODES[code] ?? "unknown";
}

/** Where one SQLSTATE stands for several things and only the English message tells them apart. */
function byMessage(code: string, message: string): PostgresErrorCode | undefined {
  return MESSAGES.find(([state, pattern]) => state === code && pattern.test(message))?.[2];
}

const MESSAGES: readonly (readonly [string, RegExp, PostgresErrorCode])[] = [
  ["28000", /pg_hba\.conf/, "hostRejected"],
  ["28000", /replication|wal sender/i, "privilegeMissing"],
  ["42704", /publication/, "publicationMissing"],
  // Up to 17 "can no longer get changes from", from 18 on "can no longer access".
  ["55000", /can no longer (get changes|access)|invalidated/, "slotLost"],
  ["53300", /standby connections/, "walSendersExhausted"],
  ["55000", /max_replication_slots/, "slotsExhausted"],
  ["55000", /wal_level|logical decoding requires/, "walLevel"],
  ["58P01", /requested WAL segment/, "slotLost"],
  ["XX000", /requested WAL segment/, "slotLost"],
  ["53400", /replication slots/, "slotsExhausted"],
];

/** https://www.postgresql.org/docs/current/errcodes-appendix.html */
const SQL_STATES: Readonly<Record<string, PostgresErrorCode>> = {
  "25006": "readOnly",
  "28000": "authenticationFailed",
  "28P01": "authenticationFailed",
  "3D000": "databaseMissing",
  "42501": "privilegeMissing",
  "53100": "diskFull",
  "53300": "tooManyConnections",
  "55006": "slotInUse",
  "57P01": "shutdown",
  "57P02": "shutdown",
  "57P03": "startingUp",
  "57P04": "databaseMissing",
  "57P05": "closed",
};

const SQL_CLASSES: Readonly<Record<string, PostgresErrorCode>> = {
  "08": "closed",
};

/** Of the operating system and of the driver. */
const NETWORK_CODES: Readonly<Record<string, PostgresErrorCode>> = {
  CONNECT_TIMEOUT: "timeout",
  CONNECTION_CLOSED: "closed",
  CONNECTION_DESTROYED: "closed",
  CONNECTION_ENDED: "closed",
  EAI_AGAIN: "hostUnknown",
  ECONNABORTED: "closed",
  ECONNREFUSED: "refused",
  ECONNRESET: "closed",
  EHOSTUNREACH: "refused",
  ENETUNREACH: "refused",
  ENOENT: "refused",
  ENOTFOUND: "hostUnknown",
  EPIPE: "closed",
  ETIMEDOUT: "timeout",
};

/** One line for logs and states. Drivers and servers put no password into their messages. */
export function describePostgresError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const state = textOf(error, "code");
  const detail = textOf(error, "detail");
  const message = /^[0-9A-Z]{5}$/.test(state) ? `${error.message} (${state})` : error.message;
  return detail === "" ? message : `${message}: ${detail}`;
}

function textOf(error: Error, field: "code" | "detail"): string {
  const value: unknown = Reflect.get(error, field);
  return typeof value === "string" ? value : "";
}

const ERROR_RESPONSE = "E".charCodeAt(0);

/**
 * Finds the FATAL error that a server sends right before it closes the connection, in the last bytes
 * that came from it. The driver reports such a close without its reason.
 */
export function findFinalError(tail: Uint8Array): Error | undefined {
  const text = new TextDecoder("latin1").decode(tail.subarray(-4096));
  // Field V is the severity, untranslated; field C follows.
  const field = text.lastIndexOf("VFATAL\0C");
  if (field < 0) return undefined;
  const bytes = tail.subarray(-4096);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = field - 6; at >= Math.max(0, field - 64); at--) {
    if (bytes[at] !== ERROR_RESPONSE) continue;
    // The length counts itself, not the type; the message must end where the bytes end.
    if (view.getUint32(at + 1) !== bytes.length - at - 1) continue;
    return decodeErrorResponse(bytes.subarray(at + 5));
  }
  return undefined;
}

function decodeErrorResponse(body: Uint8Array): Error {
  const fields = new TextDecoder().decode(body).split("\0");
  const valueOf = (type: string) => fields.find((field) => field[0] === type)?.slice(1);
  return Object.assign(new Error(valueOf("M") ?? "unknown"), { code: valueOf("C") ?? "" });
}
