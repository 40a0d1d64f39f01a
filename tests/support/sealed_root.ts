/**
 * What a container of the image's final stage is, without an engine for containers: a root that
 * holds the compiled program, the libraries that distroless/cc has, and nothing else, read-only but
 * for the storage directory; and in it an ordinary user.
 */

import { join } from "node:path";

/** Of gcr.io/distroless/cc-debian12: glibc and libgcc; it has libstdc++, libssl and libgomp too. */
const DISTROLESS_LIBRARIES =
  /^(?:ld-linux-[\w-]+|lib(?:c|m|dl|rt|pthread|resolv|nss_\w+|gcc_s))\.so\.\d+$/;

/** `nonroot` of the distroless images. */
export const SEALED_USER = 65532;

const DEVICES = ["null", "zero", "random", "urandom"];

export class SealedRoot implements AsyncDisposable {
  /**
   * A program that runs the compiled one in the root. ELECTRIC_STORAGE_DIR is all it can write to; the
   * folder in SEALED_FOLDER it can read.
   */
  readonly program: string;
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
    this.program = join(folder, "electric-ts");
  }

  static async make(binary: string): Promise<SealedRoot> {
    const folder = await Deno.makeTempDir({ prefix: "electric-ts-sealed-" });
    const root = join(folder, "root");
    for (const path of ["dev", "etc", "proc"]) {
      await Deno.mkdir(join(root, path), { recursive: true });
    }
    for (const name of DEVICES) await Deno.writeTextFile(join(root, "dev", name), "");
    await Deno.writeTextFile(join(root, "etc/hosts"), "127.0.0.1 localhost\n");
    await Deno.writeTextFile(join(root, "etc/nsswitch.conf"), "hosts: files dns\n");
    await Deno.copyFile(binary, join(root, "electric-ts"));
    for (const library of await listLibraries(binary)) {
      await Deno.mkdir(join(root, library, ".."), { recursive: true });
      await Deno.copyFile(library, join(root, library));
    }
    await Deno.chmod(folder, 0o755);
    const sealed = new SealedRoot(folder);
    await Deno.writeTextFile(sealed.program, script(root), { mode: 0o755 });
    return sealed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#folder, { recursive: true });
  }
}

/** Paths of the shared libraries that a program loads. Throws if distroless/cc lacks one. */
export async function listLibraries(binary: string): Promise<readonly string[]> {
  const { stdout } = await new Deno.Command("ldd", { args: [binary], stdin: "null" }).output();
  const paths = [...new TextDecoder().decode(stdout).matchAll(/(\/\S+) \(0x/g)].map(([, at]) => at);
  const foreign = paths.filter((path) => !DISTROLESS_LIBRARIES.test(path.split("/").pop() ?? ""));
  if (foreign.length > 0) throw new Error(`distroless/cc lacks ${foreign.join(", ")}`);
  return paths;
}

/**
 * Each `exec` keeps the process, so that it can be signalled. The mounts are of its own namespace
 * and go with it. Who is not root here becomes it in a namespace of users, and stays an ordinary
 * user outside.
 */
function script(root: string): string {
  const devices = DEVICES.map((name) => `  mount --bind /dev/${name} "$root/dev/${name}"`);
  return `#!/bin/sh
set -eu
export root='${root}'
unset TMPDIR HOME
if [ "$(id -u)" = 0 ]; then
  export user=--userspec=${SEALED_USER}:${SEALED_USER} map=
  [ -z "\${ELECTRIC_STORAGE_DIR:-}" ] || chown -R ${SEALED_USER}:${SEALED_USER} "$ELECTRIC_STORAGE_DIR"
else
  export user= map=--map-root-user
fi
exec unshare $map --mount --propagation private /bin/sh -euc '
  mount --rbind "$root" "$root"
  mount --rbind /proc "$root/proc"
${devices.join("\n")}
  if [ -n "\${ELECTRIC_STORAGE_DIR:-}" ]; then
    mkdir -p "$root$ELECTRIC_STORAGE_DIR"
    mount --bind "$ELECTRIC_STORAGE_DIR" "$root$ELECTRIC_STORAGE_DIR"
  fi
  if [ -n "\${SEALED_FOLDER:-}" ]; then
    mkdir -p "$root$SEALED_FOLDER"
    mount --bind "$SEALED_FOLDER" "$root$SEALED_FOLDER"
    mount -o remount,bind,ro "$root$SEALED_FOLDER"
  fi
  mount -o remount,bind,ro "$root"
  exec chroot $user "$root" /electric-ts "$@"' electric-ts "$@"
`;
}
