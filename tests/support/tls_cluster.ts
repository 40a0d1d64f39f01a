/** A real Postgres that takes encrypted connections only, with certificates of our own. */

import { join } from "node:path";
import { type Cluster, startCluster } from "./postgres.ts";

export interface TlsCluster extends AsyncDisposable {
  readonly cluster: Cluster;
  /** Of the authority that signed the server's certificate, which names "localhost" alone. */
  readonly caFile: string;
  /** Of an authority that did not. */
  readonly foreignCaFile: string;
}

/** Who has to give a password, by SCRAM. */
export const SCRAM_ROLE = "guarded";
/** Each sign has a meaning of its own in a URL or for SCRAM's preparation of passwords. */
export const SCRAM_PASSWORD = "p@ss:/?#%wörd,=";

export async function startTlsCluster(): Promise<TlsCluster> {
  await using stack = new AsyncDisposableStack();
  const folder = await Deno.makeTempDir({ prefix: "electric-ts-tls-" });
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const cluster = stack.use(await startCluster());
  await makeCertificates(folder);
  // A server under test may be another user.
  await Deno.chmod(folder, 0o755);
  await give(cluster, folder);
  await cluster.configure({ ssl: "on", password_encryption: "scram-sha-256" });
  await Deno.writeTextFile(
    join(cluster.dataDir, "pg_hba.conf"),
    `hostssl all ${SCRAM_ROLE} all scram-sha-256\nhostssl all all all trust\n`,
  );
  await cluster.restart();
  const moved = stack.move();
  return {
    cluster,
    caFile: join(folder, "ca.crt"),
    foreignCaFile: join(folder, "foreign.crt"),
    [Symbol.asyncDispose]: () => moved.disposeAsync(),
  };
}

async function makeCertificates(folder: string): Promise<void> {
  for (const name of ["ca", "foreign"]) {
    await openssl(folder, "req", ...newKey(name), "-x509", "-days=2", `-subj=/CN=${name}`);
  }
  await openssl(
    folder,
    ...["req", ...newKey("server"), "-CA=ca.crt", "-CAkey=ca.key", "-x509", "-days=2"],
    ...["-subj=/CN=localhost", "-addext=subjectAltName=DNS:localhost"],
    ...["-addext=basicConstraints=critical,CA:FALSE"],
  );
}

function newKey(name: string): readonly string[] {
  const curve = "-pkeyopt=ec_paramgen_curve:prime256v1";
  return ["-newkey=ec", curve, "-nodes", `-keyout=${name}.key`, `-out=${name}.crt`];
}

/** Flags are written `-name=value`, as the program does not take them. */
async function openssl(folder: string, command: string, ...flags: string[]): Promise<void> {
  const args = flags.flatMap((flag) => {
    const equals = flag.indexOf("=");
    return equals < 0 ? [flag] : [flag.slice(0, equals), flag.slice(equals + 1)];
  });
  const { success, stderr } = await new Deno.Command("openssl", {
    args: [command, ...args],
    cwd: folder,
    stdin: "null",
  }).output();
  if (!success) throw new Error(`"openssl" failed: ${new TextDecoder().decode(stderr)}`);
}

/** Postgres wants its key to belong to who runs it, and to be closed to others. */
async function give(cluster: Cluster, folder: string): Promise<void> {
  const { uid, gid } = await Deno.stat(cluster.dataDir);
  for (const name of ["server.key", "server.crt"]) {
    const path = join(cluster.dataDir, name);
    await Deno.copyFile(join(folder, name), path);
    await Deno.chmod(path, 0o600);
    if (Deno.uid() === 0 && uid !== null && gid !== null) await Deno.chown(path, uid, gid);
  }
}
