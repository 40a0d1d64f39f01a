/**
 * Runs a private Postgres cluster: made by initdb in a temporary folder, listening on a free port of
 * 127.0.0.1 without passwords, and gone when the process that started it is gone.
 */

import { join } from "node:path";
import { kill as signalProcess } from "node:process";
import { freePort } from "./free_port.ts";
import { embeddedPostgresBin, openTempFolder } from "./postgres_binaries.ts";

export interface ClusterOptions {
  /** Folder of `initdb`, `pg_ctl` and `postgres`; the embedded ones by default. */
  readonly binDir?: string;
  /** Lines of postgresql.conf, over the cluster's own. */
  readonly settings?: Readonly<Record<string, string | number | boolean>>;
  /** Whether commits are flushed to the disk; off makes tests faster. */
  readonly isDurable?: boolean;
}

export type StopMode = "smart" | "fast" | "immediate";

/** What the names of temporary folders and files begin with; then the owner's process id. */
export const CLUSTER_PREFIX = "electric-ts-cluster-";
const START_ATTEMPTS = 40;
const RETRY_MS = 250;

const SETTINGS = {
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  wal_level: "logical",
  max_replication_slots: 100,
  max_wal_senders: 100,
  max_connections: 300,
  shared_buffers: "64MB",
  max_wal_size: "4GB",
  lc_messages: "C",
  timezone: "UTC",
};

/** Starts a cluster and resolves when it takes connections. */
export async function startCluster(options: ClusterOptions = {}): Promise<PostgresCluster> {
  await removeAbandoned();
  const binDir = options.binDir ?? await embeddedPostgresBin();
  const cluster = await prepareCluster(binDir);
  await cluster.init({
    ...SETTINGS,
    ...options.isDurable ? {} : { fsync: "off", full_page_writes: "off" },
    ...options.settings,
  });
  await cluster.start();
  return cluster;
}

/**
 * Copies a stopped cluster, its files and history, to one of its own with a port of its own. The copy
 * is not started: it may be made a standby of the original first.
 */
export async function copyCluster(original: PostgresCluster): Promise<PostgresCluster> {
  const copy = await prepareCluster(original.binDir);
  await copy.initFrom(original);
  return copy;
}

/** Makes the folders, which go when this process does. */
async function prepareCluster(binDir: string): Promise<PostgresCluster> {
  const root = await Deno.makeTempDir({
    dir: openTempFolder(),
    prefix: `${CLUSTER_PREFIX}${Deno.pid}-`,
  });
  const user = serverUser();
  const cluster = new PostgresCluster(binDir, root, user);
  await Deno.chmod(root, 0o755);
  await watchOwner(root);
  await Deno.mkdir(cluster.dataDir, { mode: 0o700 });
  if (user) await Deno.chown(cluster.dataDir, user.uid, user.gid);
  return cluster;
}

export class PostgresCluster implements AsyncDisposable {
  readonly #binDir: string;
  readonly #root: string;
  readonly #user: ServerUser | undefined;
  #port = 0;

  constructor(binDir: string, root: string, user: ServerUser | undefined) {
    this.#binDir = binDir;
    this.#root = root;
    this.#user = user;
  }

  /** Folder of `initdb`, `pg_ctl` and `postgres`. */
  get binDir(): string {
    return this.#binDir;
  }

  get port(): number {
    return this.#port;
  }

  get dataDir(): string {
    return join(this.#root, "data");
  }

  /** The server's log so far. */
  get log(): string {
    return Deno.readTextFileSync(join(this.dataDir, "server.log"));
  }

  /** URL of a database for the superuser `postgres`. */
  url(database = "postgres"): string {
    return `postgresql://postgres@127.0.0.1:${this.#port}/${database}`;
  }

  /** Makes the data folder. Called once, before `start`. */
  async init(settings: Readonly<Record<string, string | number | boolean>>): Promise<void> {
    this.#port = freePort();
    await this.#run("initdb", [
      ...["-D", this.dataDir, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"],
      ...localeFlags(),
    ]);
    await this.configure({ ...settings, port: this.#port });
  }

  /** Fills the data folder with a stopped cluster's. Called once, before `start`. */
  async initFrom(original: PostgresCluster): Promise<void> {
    this.#port = freePort();
    // `-a` keeps owner and mode, without which Postgres refuses the files.
    const { success, stderr } = await new Deno.Command("cp", {
      args: ["-a", `${original.dataDir}/.`, this.dataDir],
      stdin: "null",
    }).output();
    if (!success) throw new Error(`"cp" failed: ${new TextDecoder().decode(stderr)}`);
    await Deno.remove(join(this.dataDir, "server.log"));
    await this.configure({ port: this.#port });
  }

  /** Appends settings to postgresql.conf; they hold from the next start or reload. */
  async configure(settings: Readonly<Record<string, string | number | boolean>>): Promise<void> {
    const lines = Object.entries(settings).map(([name, value]) => `${name} = '${value}'\n`);
    await Deno.writeTextFile(join(this.dataDir, "postgresql.conf"), lines.join(""), {
      append: true,
    });
  }

  /** Starts the stopped server on its port and waits until it takes connections. */
  async start(): Promise<void> {
    const log = join(this.dataDir, "server.log");
    for (let attempt = 1;; attempt++) {
      try {
        return await this.#run("pg_ctl", ["-D", this.dataDir, "-l", log, "-w", "-s", "start"]);
      } catch (error) {
        if (attempt === START_ATTEMPTS || !this.#mayStartLater()) throw error;
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  /** After a kill the children hold the shared memory and the port for a moment. */
  #mayStartLater(): boolean {
    const last = this.log.slice(-2000);
    return /still in use|Address already in use|lock file "postmaster.pid"/.test(last);
  }

  /** Stops the server: `immediate` is what a crash looks like. */
  async stop(mode: StopMode = "fast"): Promise<void> {
    await this.#run("pg_ctl", ["-D", this.dataDir, "-m", mode, "-w", "-s", "stop"]);
  }

  async restart(mode: StopMode = "fast"): Promise<void> {
    await this.stop(mode);
    await this.start();
  }

  /** Makes the running server read postgresql.conf again. */
  async reload(): Promise<void> {
    await this.#run("pg_ctl", ["-D", this.dataDir, "-s", "reload"]);
  }

  /** Ends a standby's recovery; it takes writes when this resolves. */
  async promote(): Promise<void> {
    await this.#run("pg_ctl", ["-D", this.dataDir, "-w", "-s", "promote"]);
  }

  /** Kills the server process with SIGKILL; `start` brings it back. */
  kill(): void {
    const pid = readServerPid(this.#root);
    if (pid !== undefined) Deno.kill(pid, "SIGKILL");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await abandon(this.#root);
  }

  async #run(program: string, args: readonly string[]): Promise<void> {
    const { success, stdout, stderr } = await new Deno.Command(join(this.#binDir, program), {
      args: [...args],
      cwd: this.dataDir,
      env: { LC_ALL: "C", PGUSER: "postgres" },
      stdin: "null",
      ...this.#user,
    }).output();
    if (success) return;
    const decoder = new TextDecoder();
    const said = `${decoder.decode(stderr)}${decoder.decode(stdout)}`.trim();
    throw new Error(`"${program}" failed: ${said}\n${this.#lastLog()}`);
  }

  #lastLog(): string {
    try {
      return this.log.slice(-2000);
    } catch {
      return "";
    }
  }
}

interface ServerUser {
  readonly uid: number;
  readonly gid: number;
}

/** Postgres refuses root, and initdb wants a user with a name: nobody has one everywhere. */
function serverUser(): ServerUser | undefined {
  if (Deno.uid() !== 0) return undefined;
  const line = Deno.readTextFileSync("/etc/passwd").split("\n").find((l) =>
    l.startsWith("nobody:")
  );
  if (!line) throw new Error('Postgres can\'t run as root, and there is no user "nobody"');
  const [, , uid, gid] = line.split(":");
  return { uid: Number(uid), gid: Number(gid) };
}

/** The C library's C.UTF-8 where there is one; macOS has none. */
function localeFlags(): readonly string[] {
  return Deno.build.os === "darwin"
    ? ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    : ["--locale=C.UTF-8"];
}

/**
 * Leaves a shell behind that waits for this process to go, however it goes, then ends the server and
 * removes its files. A shell because it must outlive us, detached because a test may not leak a child.
 */
async function watchOwner(root: string): Promise<void> {
  const script = `trap "" INT TERM HUP
    (while kill -0 "$1" 2>/dev/null && [ -d "$2" ]; do sleep 0.3; done
     pid=$(head -n 1 "$2/data/postmaster.pid" 2>/dev/null) && kill -QUIT "$pid" &&
       while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
     rm -rf "$2") </dev/null >/dev/null 2>&1 &`;
  await new Deno.Command("sh", {
    args: ["-c", script, "watch", String(Deno.pid), root],
    cwd: "/",
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).output();
}

/** Ends clusters whose owner and whose watching shell were killed both. */
async function removeAbandoned(): Promise<void> {
  for await (const entry of Deno.readDir(openTempFolder())) {
    const owner = entry.name.startsWith(CLUSTER_PREFIX) &&
      parseInt(entry.name.slice(CLUSTER_PREFIX.length));
    if (owner && !isRunning(owner)) await abandon(join(openTempFolder(), entry.name));
  }
}

async function abandon(root: string): Promise<void> {
  const pid = readServerPid(root);
  try {
    if (pid !== undefined) Deno.kill(pid, "SIGQUIT");
    while (pid !== undefined && isRunning(pid)) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await Deno.remove(root, { recursive: true });
  } catch {
    // Someone else's, or someone else is just removing it.
  }
}

function readServerPid(root: string): number | undefined {
  try {
    const [first] = Deno.readTextFileSync(join(root, "data", "postmaster.pid")).split("\n");
    return Number(first);
  } catch {
    return undefined;
  }
}

function isRunning(pid: number): boolean {
  try {
    signalProcess(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
