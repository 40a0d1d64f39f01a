import assert from "node:assert/strict";
import { openPool, openReplication } from "../../replication/connection.ts";
import {
  type DatabaseUrl,
  parseDatabaseUrl,
  withCaCertificate,
} from "../../replication/database_url.ts";
import { classifyPostgresError } from "../../replication/postgres_error.ts";
import { sharedServerUrl } from "../support/postgres.ts";
import {
  SCRAM_PASSWORD,
  SCRAM_ROLE,
  startTlsCluster,
  type TlsCluster,
} from "../support/tls_cluster.ts";
import { tryConnect } from "../support/try_connect.ts";

type Authority = "none" | "ours" | "foreign";

/** As `serve` reads them: from the URL, and the file that may be named with it. */
function urlOf(
  { cluster, caFile, foreignCaFile }: TlsCluster,
  host: string,
  sslMode: string,
  authority: Authority,
): DatabaseUrl {
  const text = cluster.url().replace("127.0.0.1", host);
  const url = parseDatabaseUrl(`${text}?sslmode=${sslMode}`);
  if (authority === "none") return url;
  const path = authority === "ours" ? caFile : foreignCaFile;
  return withCaCertificate(url, Deno.readTextFileSync(path));
}

/** Deno 2.4 looks at the name whenever it looks at the certificate: stricter than was asked for. */
const MISNAMED = Deno.version.deno.startsWith("2.4.") ? "tlsFailed" : "encrypted";

/** What a server with a certificate for "localhost" by "ours", closed to plain text, answers. */
const CASES: readonly [sslMode: string, host: string, authority: Authority, outcome: string][] = [
  ["disable", "localhost", "none", "hostRejected"],
  ["allow", "localhost", "none", "encrypted"],
  ["prefer", "localhost", "none", "encrypted"],
  ["require", "localhost", "none", "encrypted"],
  // Without a file the authorities are those that browsers know.
  ["verify-ca", "localhost", "none", "tlsFailed"],
  ["verify-full", "localhost", "none", "tlsFailed"],
  ["require", "127.0.0.1", "none", "encrypted"],
  ["verify-ca", "127.0.0.1", "ours", MISNAMED],
  ["verify-full", "127.0.0.1", "ours", "tlsFailed"],
  ["verify-ca", "localhost", "ours", "encrypted"],
  ["verify-full", "localhost", "ours", "encrypted"],
  ["verify-ca", "localhost", "foreign", "tlsFailed"],
  ["verify-full", "localhost", "foreign", "tlsFailed"],
  // A file is there to verify with, whatever the mode says.
  ["allow", "localhost", "ours", "encrypted"],
  ["prefer", "localhost", "ours", "encrypted"],
  ["require", "localhost", "ours", "encrypted"],
  ["require", "127.0.0.1", "ours", "tlsFailed"],
  ["allow", "localhost", "foreign", "tlsFailed"],
  ["prefer", "localhost", "foreign", "tlsFailed"],
  ["require", "localhost", "foreign", "tlsFailed"],
];

Deno.test("dial() verifies as much of the certificate as sslmode says, and no less", async () => {
  await using server = await startTlsCluster();
  const outcomes: unknown[] = [];
  for (const [sslMode, host, authority] of CASES) {
    const outcome = await tryConnect(urlOf(server, host, sslMode, authority));
    outcomes.push([sslMode, host, authority, outcome]);
  }
  assert.deepEqual(outcomes, CASES);
});

Deno.test("replication verifies like queries do", async () => {
  await using server = await startTlsCluster();
  {
    await using connection = openReplication({
      url: urlOf(server, "localhost", "verify-full", "ours"),
    });
    const [row] = await connection.query("IDENTIFY_SYSTEM");
    assert.match(String(row.systemid), /^\d+$/);
  }
  for (const [host, authority] of [["127.0.0.1", "ours"], ["localhost", "foreign"]] as const) {
    const connection = openReplication({ url: urlOf(server, host, "verify-full", authority) });
    const error: unknown = await connection.query("IDENTIFY_SYSTEM").catch((reason) => reason);
    assert.equal(classifyPostgresError(error), "tlsFailed");
    await connection.close();
  }
});

Deno.test("a server without TLS is spoken to only where sslmode allows it", async () => {
  const server = await sharedServerUrl();
  const outcomes: Record<string, string> = {};
  for (const mode of ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]) {
    outcomes[mode] = await tryConnect(parseDatabaseUrl(`${server}?sslmode=${mode}`));
  }
  assert.deepEqual(outcomes, {
    disable: "plain",
    allow: "plain",
    prefer: "plain",
    require: "sslUnavailable",
    "verify-ca": "sslUnavailable",
    "verify-full": "sslUnavailable",
  });
  const withFile = withCaCertificate(parseDatabaseUrl(`${server}?sslmode=prefer`), "");
  assert.equal(await tryConnect(withFile), "sslUnavailable");
});

Deno.test("a password is proved by SCRAM, never shown", async () => {
  await using server = await startTlsCluster();
  const admin = openPool({ url: urlOf(server, "localhost", "require", "none"), max: 1 });
  await admin.unsafe(`CREATE ROLE ${SCRAM_ROLE} LOGIN REPLICATION PASSWORD '${SCRAM_PASSWORD}'`);
  const [{ rolpassword }] = await admin`
    SELECT rolpassword FROM pg_authid WHERE rolname = ${SCRAM_ROLE}`;
  await admin.end();
  assert.match(rolpassword, /^SCRAM-SHA-256\$/);
  const base = urlOf(server, "localhost", "verify-full", "ours");
  const url = { ...base, user: SCRAM_ROLE, password: SCRAM_PASSWORD };
  assert.equal(await tryConnect(url), "encrypted");
  await using replication = openReplication({ url });
  assert.equal((await replication.query("IDENTIFY_SYSTEM")).length, 1);
  assert.equal(await tryConnect({ ...url, password: "wrong" }), "authenticationFailed");
  assert.equal(await tryConnect({ ...url, password: "" }), "authenticationFailed");
});
