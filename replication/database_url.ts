/**
 * Connection strings: `postgresql://user:password@host:port/database?name=value`, by libpq's
 * rules (https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS), except
 * that unknown parameters are ignored, unless they demand a protection that we do not have, and
 * nothing is taken from the environment.
 */

/** `allow` is dialled like `prefer`: it reaches the same servers and is never the weaker of the two. */
export type SslMode = "disable" | "allow" | "prefer" | "require" | "verify-ca" | "verify-full";

export interface DatabaseHost {
  /** A name, an address without brackets, or the directory of a Unix socket (starts with "/"). */
  readonly host: string;
  readonly port: number;
}

export interface DatabaseUrl {
  /** At least one; tried in order. */
  readonly hosts: readonly DatabaseHost[];
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly sslMode: SslMode;
  /** Path given as `sslrootcert`, unless "system": read it and hand it to `withCaCertificate`. */
  readonly caFile: string | undefined;
  /** PEM text of the authorities that may have signed the server's certificate. */
  readonly caCertificate: string | undefined;
  readonly applicationName: string | undefined;
  readonly connectTimeoutMs: number;
  /** `options` of the start-up message, which some hosts need to find the database. */
  readonly startupOptions: string | undefined;
  /** `pgbouncer=true`: prepared statements can't be used. */
  readonly isPooled: boolean;
}

const SSL_MODES: readonly string[] = [
  "disable",
  "allow",
  "prefer",
  "require",
  "verify-ca",
  "verify-full",
];

/** Demands that the driver can't meet: ignoring them would make a connection weaker than was asked. */
const DEMANDS: readonly (readonly [name: string, isDemand: RegExp, instead: string])[] = [
  [
    "channel_binding",
    /^require$/,
    'leave it out, and let sslmode "verify-full" tell who the server is',
  ],
  ["gssencmode", /^require$/, 'leave it out, and encrypt by sslmode "verify-full"'],
  ["require_auth", /./, "leave it out, and let pg_hba.conf say how roles prove who they are"],
];

const CONNECT_TIMEOUT_DEFAULT_MS = 10_000;
const PORT_DEFAULT = 5432;
const GRAMMAR = /^postgres(?:ql)?:\/\/(?:([^/?]*)@)?([^/?@]*)(?:\/([^?]*))?(?:\?(.*))?$/s;

/** Parses a connection string. Throws `SyntaxError`, never quoting the text: it holds a password. */
export function parseDatabaseUrl(text: string): DatabaseUrl {
  const match = GRAMMAR.exec(text.trim());
  if (!match) {
    throw new SyntaxError('Database URL must look like "postgresql://user:password@host/database"');
  }
  const [, userInfo = "", hosts = "", path = "", query = ""] = match;
  // Otherwise a piece of a password would be taken for the host and shown.
  if (path.includes("@")) {
    throw new SyntaxError('Database URL has a "/" or "?" before its last "@": write %2F or %3F');
  }
  const parameters = parseParameters(query);
  refuseDemands(parameters);
  const colon = userInfo.indexOf(":");
  const user = parameters.get("user") ??
    (decode(colon < 0 ? userInfo : userInfo.slice(0, colon), "user") || "postgres");
  const password = colon < 0 ? "" : decode(userInfo.slice(colon + 1), "password");
  return {
    hosts: parseHosts(parameters.get("host") ?? hosts, parameters.get("port")),
    user,
    password: parameters.get("password") ?? password,
    database: parameters.get("dbname") ?? (decode(path, "database") || user),
    ...parseSsl(parameters.get("sslmode"), parameters.get("sslrootcert")),
    caCertificate: undefined,
    applicationName: parameters.get("application_name"),
    connectTimeoutMs: parseConnectTimeout(parameters.get("connect_timeout")),
    startupOptions: parameters.get("options"),
    isPooled: parameters.get("pgbouncer") === "true",
  };
}

/**
 * Adds the authorities to trust. With them the certificate and its name are always verified,
 * unless the mode asks for the certificate alone. Throws `RangeError` if TLS is disabled.
 */
export function withCaCertificate(url: DatabaseUrl, caCertificate: string): DatabaseUrl {
  if (url.sslMode === "disable") {
    throw new RangeError('A CA certificate can\'t be used with sslmode "disable"');
  }
  const sslMode = url.sslMode === "verify-ca" ? "verify-ca" : "verify-full";
  return { ...url, caCertificate, sslMode };
}

/** For logs: where a URL leads, without the password. */
export function redactDatabaseUrl(url: DatabaseUrl): string {
  const hosts = url.hosts.map(formatHost).join(",");
  const user = encodeURIComponent(url.user);
  const password = url.password === "" ? "" : ":***";
  const database = encodeURIComponent(url.database);
  return `postgresql://${user}${password}@${hosts}/${database}?sslmode=${url.sslMode}`;
}

/** "host:port", with what needs it in brackets or percent signs. */
export function formatHost({ host, port }: DatabaseHost): string {
  if (host.startsWith("/")) return encodeURIComponent(host);
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

function parseParameters(query: string): Map<string, string> {
  const parameters = new Map<string, string>();
  for (const pair of query.split("&")) {
    const equals = pair.indexOf("=");
    if (equals < 0) continue;
    const name = pair.slice(0, equals);
    const value = decode(pair.slice(equals + 1), name);
    if (value !== "") parameters.set(name, value);
  }
  return parameters;
}

function refuseDemands(parameters: ReadonlyMap<string, string>): void {
  for (const [name, isDemand, instead] of DEMANDS) {
    if (!isDemand.test(parameters.get(name) ?? "")) continue;
    throw new SyntaxError(
      `Database URL demands ${name}, which is not supported: ${instead}`,
    );
  }
}

function parseHosts(text: string, ports: string | undefined): DatabaseHost[] {
  const portList = ports?.split(",") ?? [];
  return text.split(",").map((part, index) => {
    const match = /^(\[[^\]]*\]|[^:]*)(?::(\d*))?$/.exec(part);
    // A bare IPv6 address can only come from the "host" parameter, which never carries a port.
    if (!match && !/^[0-9a-f.]*:[0-9a-f.]*:[0-9a-f:.]*$/i.test(part)) {
      throw new SyntaxError("Database URL has an invalid host or port");
    }
    const name = match ? match[1].replace(/^\[|\]$/g, "") : part;
    const port = match?.[2] || portList[index] || (portList.length === 1 ? portList[0] : "");
    return { host: decode(name, "host") || "localhost", port: parsePort(port) };
  });
}

function parsePort(text: string): number {
  if (text === "") return PORT_DEFAULT;
  const port = Number(text);
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
  throw new SyntaxError("Database URL has an invalid port");
}

/** "system" stands for the authorities that browsers know; libpq takes no weaker mode with it. */
function parseSsl(
  mode: string | undefined,
  rootCert: string | undefined,
): Pick<DatabaseUrl, "sslMode" | "caFile"> {
  if (rootCert !== "system") return { sslMode: parseSslMode(mode), caFile: rootCert };
  const sslMode = parseSslMode(mode ?? "verify-full");
  if (sslMode === "verify-full") return { sslMode, caFile: undefined };
  throw new SyntaxError(
    `Database URL has sslrootcert "system" with sslmode "${sslMode}": use "verify-full"`,
  );
}

function parseSslMode(text: string | undefined): SslMode {
  if (text === undefined) return "prefer";
  if (isSslMode(text)) return text;
  throw new SyntaxError(
    `Database URL has an unknown sslmode "${text}": use one of ${SSL_MODES.join(", ")}`,
  );
}

function isSslMode(text: string): text is SslMode {
  return SSL_MODES.includes(text);
}

/** Seconds in the URL; 0 and absent both mean our own limit, because waiting for ever helps nobody. */
function parseConnectTimeout(text: string | undefined): number {
  const seconds = Number(text ?? 0);
  return seconds > 0 && seconds <= 3600 ? Math.max(2, seconds) * 1000 : CONNECT_TIMEOUT_DEFAULT_MS;
}

function decode(text: string, part: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new SyntaxError(`Database URL has a malformed percent-encoding in its ${part}`);
  }
}
