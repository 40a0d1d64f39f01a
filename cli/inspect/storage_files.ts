/** What a storage directory is known by, before anything of it is opened. */

import { join } from "node:path";

export const STORAGE_FILE = "shapes.sqlite";

/** Throws if there is no storage in the directory: opening it would make one. */
export async function assertStorage(directory: string): Promise<void> {
  if (await isFile(join(directory, STORAGE_FILE))) return;
  throw new Error(`There is no storage in "${directory}": it has no file "${STORAGE_FILE}"`);
}

export async function isFile(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
