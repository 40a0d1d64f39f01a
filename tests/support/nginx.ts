/** A real nginx with the shipped configuration, in front of a server of a test. */

import { freePort, pause } from "./server_process.ts";

const SHIPPED = new URL("../../deploy/nginx.conf", import.meta.url);
const PROGRAMS = ["/usr/sbin/nginx", "/usr/local/sbin/nginx", "/opt/homebrew/bin/nginx"];
const READY_MS = 10_000;

/** The shipped file with ports and cache folder of a test; each place is there exactly once. */
export function renderNginxConf(
  shipped: string,
  places: { readonly port: number; readonly originPort: number; readonly cacheDir: string },
): string {
  const changes: [string, string][] = [
    ["listen 80;", `listen 127.0.0.1:${places.port};`],
    ["server 127.0.0.1:3000;", `server 127.0.0.1:${places.originPort};`],
    ["proxy_cache_path /var/cache/nginx/electric-ts", `proxy_cache_path ${places.cacheDir}`],
  ];
  return changes.reduce((text, [from, to]) => {
    if (text.split(from).length !== 2) throw new Error(`deploy/nginx.conf lacks one "${from}"`);
    return text.replace(from, to);
  }, shipped);
}

/** What /etc/nginx/nginx.conf is elsewhere: everything in one folder, and no daemon. */
function mainConf(folder: string): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((name) => `${name}_temp_path ${folder}/${name};`).join("\n  ");
  return `daemon off;
${Deno.uid() === 0 ? "user root;" : ""}
worker_processes 1;
pid ${folder}/nginx.pid;
error_log stderr warn;
events { worker_connections 1024; }
http {
  access_log off;
  ${temporary}
  include ${folder}/site.conf;
}
`;
}

export class Nginx implements AsyncDisposable {
  readonly url: string;
  readonly #folder: string;
  readonly #child: Deno.ChildProcess;
  readonly #errors: Promise<string>;

  private constructor(url: string, folder: string, child: Deno.ChildProcess) {
    this.url = url;
    this.#folder = folder;
    this.#child = child;
    this.#errors = new Response(child.stderr).text();
  }

  /** Starts one with an empty cache and waits until the origin answers through it. */
  static async start(originPort: number): Promise<Nginx> {
    const program = findProgram();
    const folder = await Deno.makeTempDir({ prefix: "electric-ts-nginx-" });
    const port = freePort();
    const places = { port, originPort, cacheDir: `${folder}/cache` };
    const site = renderNginxConf(await Deno.readTextFile(SHIPPED), places);
    await Deno.writeTextFile(`${folder}/site.conf`, site);
    await Deno.writeTextFile(`${folder}/nginx.conf`, mainConf(folder));
    const child = new Deno.Command(program, {
      args: ["-e", "stderr", "-p", folder, "-c", `${folder}/nginx.conf`],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const nginx = new Nginx(`http://127.0.0.1:${port}`, folder, child);
    await nginx.#whenReady();
    return nginx;
  }

  async #whenReady(): Promise<void> {
    const deadline = Date.now() + READY_MS;
    for (;;) {
      const isReady = await fetch(`${this.url}/health/live`).then(
        async (response) => (await response.text(), response.ok),
        () => false,
      );
      if (isReady) return;
      if (Date.now() > deadline) {
        await this[Symbol.asyncDispose]();
        throw new Error(`nginx did not get ready: ${await this.#errors}`);
      }
      await pause(20);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGTERM");
    } catch {
      // It has ended by itself.
    }
    await this.#child.status;
    await Deno.remove(this.#folder, { recursive: true });
  }
}

function findProgram(): string {
  const given = Deno.env.get("TEST_NGINX");
  const program = given ?? PROGRAMS.find(isFile);
  if (program === undefined || !isFile(program)) {
    throw new Error(
      "nginx is not installed: apt-get install nginx-light, or name it in TEST_NGINX",
    );
  }
  return program;
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
