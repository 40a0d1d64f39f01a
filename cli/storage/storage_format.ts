/**
 * The version of what lies in a storage directory, in its file `format`. A directory of another
 * version is refused: read by the wrong rules it would give wrong rows. Who gives it up loses
 * nothing but a first sync of every client.
 */

import { join } from "node:path";

/** Raised with every change that older versions of the program can't read, or that reads theirs no more. */
export const STORAGE_FORMAT = 1;

const FILE = "format";

/** Another version of the program wrote the directory. */
export class StorageFormatError extends Error {
  override readonly name = "StorageFormatError";
}

/** Checks a locked directory, and marks one that has no mark yet. Throws `StorageFormatError`. */
export async function claimStorageFormat(directory: string): Promise<void> {
  if (!await checkStorageFormat(directory)) await writeMark(join(directory, FILE));
}

/** Whether the directory has a mark. Throws `StorageFormatError` if it is of another version. */
export async function checkStorageFormat(directory: string): Promise<boolean> {
  const mark = await readMark(join(directory, FILE));
  if (mark === undefined) return false;
  if (mark === `${STORAGE_FORMAT}`) return true;
  throw new StorageFormatError(
    `Storage directory "${directory}" has format "${mark}", this version reads ` +
      `"${STORAGE_FORMAT}": use the version that wrote it, or another directory; with an empty one ` +
      "clients fetch their shapes anew",
  );
}

/** The first format had no mark. */
async function readMark(path: string): Promise<string | undefined> {
  try {
    return (await Deno.readTextFile(path)).trim() || undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Whole or not at all, whenever the process ends. */
async function writeMark(path: string): Promise<void> {
  await Deno.writeTextFile(`${path}.new`, `${STORAGE_FORMAT}\n`);
  await Deno.rename(`${path}.new`, path);
}
