/** The program as users run it, with its arguments and an environment of its own. */

const MAIN = new URL("../../main.ts", import.meta.url).pathname;

const SILENT_MS = 60_000;

export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

type Env = Readonly<Record<string, string>>;

/** The environment without anything that the program listens to by itself. */
function foreignEnv(): Env {
  const entries = Object.entries(Deno.env.toObject());
  return Object.fromEntries(
    entries.filter(([name]) => !/^(?:ELECTRIC_|DATABASE_URL|NO_COLOR|FORCE_COLOR)/.test(name)),
  );
}

/** For pipes: a shell's words for the program. */
export function cliCommand(args: readonly string[]): readonly string[] {
  const binary = Deno.env.get("TEST_BINARY");
  return binary
    ? [binary, ...args]
    : [Deno.execPath(), "run", "-A", "--quiet", "--no-check", MAIN, ...args];
}

function command(args: readonly string[], env: Env): Deno.Command {
  const [path, ...rest] = cliCommand(args);
  return new Deno.Command(path, {
    args: rest,
    env: { ...foreignEnv(), ...env },
    clearEnv: true,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}

/** Runs it to its end. */
export async function runCli(args: readonly string[], env: Env = {}): Promise<CliResult> {
  const { code, stdout, stderr } = await command(args, env).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** A run that goes on: what it has written so far can be looked at and waited for. */
export class CliProcess implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #ends: Promise<unknown>;
  readonly #waiting = new Set<() => void>();
  #stdout = "";
  #stderr = "";
  #isOver = false;

  constructor(args: readonly string[], env: Env = {}) {
    this.#child = command(args, env).spawn();
    this.#ends = Promise.all([
      this.#read(this.#child.stdout, (text) => this.#stdout += text),
      this.#read(this.#child.stderr, (text) => this.#stderr += text),
    ]).then(() => this.#isOver = true).then(() => this.#changed());
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Resolves as soon as it holds; rejects if the process ends, or writes nothing more, without it. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (this.#isOver) throw new Error(`It ended:\n${this.#said}`);
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const late = () => reject(new Error(`It has gone silent:\n${this.#said}`));
      const timer = setTimeout(late, SILENT_MS);
      this.#waiting.add(resolve);
      await promise.finally(() => clearTimeout(timer));
    }
  }

  get #said(): string {
    return `${this.#stdout}\n${this.#stderr}`;
  }

  kill(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /** Waits for the end. */
  async result(): Promise<CliResult> {
    const { code } = await this.#child.status;
    await this.#ends;
    return { code, stdout: this.#stdout, stderr: this.#stderr };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isOver) return void await this.#child.status;
    this.#child.kill("SIGKILL");
    await this.result();
  }

  async #read(stream: ReadableStream<Uint8Array>, add: (text: string) => void): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      add(text);
      this.#changed();
    }
  }

  #changed(): void {
    for (const resolve of [...this.#waiting]) resolve();
    this.#waiting.clear();
  }
}
