/** The server as users run it: a process of its own, which tests can kill and start again. */

import { freePort } from "../../cli/demo/free_port.ts";

export { freePort };

export interface ServerOptions {
  readonly databaseUrl: string;
  readonly streamId: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Kept when given, so that a second process finds what a first one left. */
  readonly storageDir?: string;
  /** Instead of what `serverCommand()` says. */
  readonly command?: ServerCommand;
}

export interface ServerCommand {
  readonly path: string;
  readonly args: readonly string[];
}

const MAIN = new URL("../../main.ts", import.meta.url).pathname;
const READY_MS = 60_000;

/** What starts the server: the program from source, or a compiled binary named by TEST_BINARY. */
export function serverCommand(): ServerCommand {
  const binary = Deno.env.get("TEST_BINARY");
  if (binary) return { path: binary, args: ["serve"] };
  return { path: Deno.execPath(), args: ["run", "-A", "--quiet", MAIN, "serve"] };
}

/** Version of the Deno that servers run on. */
export async function readServerRuntime(): Promise<string> {
  const { path, args } = serverCommand();
  const command = new Deno.Command(path, {
    args: [...args.slice(0, -1), "version"],
    stdin: "null",
  });
  const said = new TextDecoder().decode((await command.output()).stdout);
  const [, version] = /, Deno (\S+)\)\n$/.exec(said) ?? [];
  if (!version) throw new TypeError(`No version in "${said}"`);
  return version;
}

export class ServerProcess implements AsyncDisposable {
  readonly port: number;
  readonly url: string;
  readonly storageDir: string;
  readonly #options: ServerOptions;
  readonly #ownsStorage: boolean;
  #child: Deno.ChildProcess | undefined;
  #output: Promise<string> | undefined;

  private constructor(options: ServerOptions, storageDir: string) {
    this.#options = options;
    this.port = freePort();
    this.url = `http://127.0.0.1:${this.port}`;
    this.storageDir = storageDir;
    this.#ownsStorage = options.storageDir === undefined;
  }

  /** Starts a server and waits until it is active. */
  static async start(options: ServerOptions): Promise<ServerProcess> {
    const server = await ServerProcess.launch(options);
    await server.whenActive();
    return server;
  }

  /** Starts a server without waiting for it. */
  static async launch(options: ServerOptions): Promise<ServerProcess> {
    const storageDir = options.storageDir ?? await Deno.makeTempDir({ prefix: "electric-ts-" });
    const server = new ServerProcess(options, storageDir);
    server.launch();
    return server;
  }

  get pid(): number {
    if (!this.#child) throw new TypeError("The server is not running");
    return this.#child.pid;
  }

  async start(): Promise<void> {
    this.launch();
    await this.whenActive();
  }

  /** Starts the process without waiting for it. */
  launch(): void {
    this.#child = this.#command(this.port).spawn();
    this.#output = collect(this.#child.stderr);
  }

  /** Runs a second process on the same storage directory to its end. */
  async runSecond(): Promise<{ code: number; stderr: string }> {
    const { code, stderr } = await this.#command(freePort()).output();
    return { code, stderr: new TextDecoder().decode(stderr) };
  }

  #command(port: number): Deno.Command {
    const { path, args } = this.#options.command ?? serverCommand();
    return new Deno.Command(path, {
      args: [...args],
      env: {
        DATABASE_URL: this.#options.databaseUrl,
        ELECTRIC_PORT: `${port}`,
        ELECTRIC_STORAGE_DIR: this.storageDir,
        ELECTRIC_INSECURE: "true",
        ELECTRIC_ENABLE_INTEGRATION_TESTING: "true",
        ELECTRIC_REPLICATION_STREAM_ID: this.#options.streamId,
        ELECTRIC_LOG_LEVEL: Deno.env.get("TEST_SERVER_LOG") ? "debug" : "warn",
        ...this.#options.env,
      },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    });
  }

  async whenActive(): Promise<void> {
    const deadline = Date.now() + READY_MS;
    while (!await this.#isActive()) {
      if (Date.now() > deadline) {
        await this.kill();
        throw new Error(`The server did not become active:\n${await this.#output}`);
      }
      await pause(20);
    }
  }

  async #isActive(): Promise<boolean> {
    try {
      const response = await fetch(`${this.url}/v1/health`);
      await response.body?.cancel();
      return response.status === 200;
    } catch {
      return false;
    }
  }

  /** SIGKILL: nothing is flushed. */
  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.#child?.status;
    this.#child = undefined;
  }

  /** SIGTERM; the exit code and what was written to stderr. */
  async stop(): Promise<{ code: number; stderr: string }> {
    this.signal("SIGTERM");
    const status = await this.#child?.status;
    this.#child = undefined;
    return { code: status?.code ?? -1, stderr: await this.#output ?? "" };
  }

  signal(name: Deno.Signal): void {
    try {
      this.#child?.kill(name);
    } catch {
      // It has ended by itself.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    if (this.#ownsStorage) await Deno.remove(this.storageDir, { recursive: true });
  }
}

/** All that a server says; with TEST_SERVER_LOG also appended to that file as it comes. */
async function collect(stderr: ReadableStream<Uint8Array>): Promise<string> {
  const path = Deno.env.get("TEST_SERVER_LOG");
  let text = "";
  for await (const part of stderr.pipeThrough(new TextDecoderStream())) {
    text += part;
    if (path) await Deno.writeTextFile(path, part, { append: true });
  }
  return text;
}

/** A pause between two looks at a condition. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
