/**
 * Where a compiled program unpacks its native addon. Deno writes it to the temporary folder before
 * it can be loaded; in a container there often is none that can be written to, and in a shared one
 * somebody else could put a file in its place. The storage directory is ours, and there anyway.
 */

import { resolve } from "node:path";

/**
 * Runs `load`, which imports the addon, with a folder in the storage directory for it; then removes
 * the folder, because what is loaded stays. A TMPDIR of the user's is left alone. Not to be called
 * twice at a time.
 */
export async function loadNativeAddon<T>(storageDir: string, load: () => Promise<T>): Promise<T> {
  if (!isUnpacked() || storageDir === ":memory:") return await load();
  await Deno.mkdir(storageDir, { recursive: true });
  const folder = await Deno.makeTempDir({ dir: resolve(storageDir), prefix: "addon-" });
  Deno.env.set("TMPDIR", folder);
  try {
    return await load();
  } finally {
    Deno.env.delete("TMPDIR");
    await Deno.remove(folder, { recursive: true });
  }
}

/** Windows, where a loaded file can't be removed, has temporary folders of each user's own. */
function isUnpacked(): boolean {
  return Deno.build.standalone && Deno.build.os !== "windows" && !Deno.env.get("TMPDIR");
}
