import { strictEqual as equal } from "node:assert/strict";
import { StorageVersion } from "../../../cli/storage/storage_version.ts";
import { withDirectory } from "../../support/temp_directory.ts";

const LONG_AGO = new Date(Date.now() - 60_000);

function withStorage(work: (path: string) => Promise<void>): Promise<void> {
  return withDirectory((directory) => work(`${directory}/shapes.sqlite`));
}

/** Writes a file as if that had been a while ago. */
async function write(path: string, text: string): Promise<void> {
  await Deno.writeTextFile(path, text);
  await Deno.utime(path, LONG_AGO, LONG_AGO);
}

Deno.test("StorageVersion reads again only when something was written", () =>
  withStorage(async (path) => {
    const version = new StorageVersion(path);
    let reads = 0;
    const look = () => version.whenNew(() => Promise.resolve(++reads));
    await write(path, "a");
    equal(await look(), 1);
    equal(await look(), undefined);
    await write(`${path}-wal`, "b");
    equal(await look(), 2);
    equal(await look(), undefined);
    await write(`${path}-wal`, "bc");
    equal(await look(), 3);
  }));

Deno.test("StorageVersion trusts no time that is so young that it may stay as it is", () =>
  withStorage(async (path) => {
    const version = new StorageVersion(path);
    await Deno.writeTextFile(path, "a");
    const soon = new Date(Date.now() + 60_000);
    await Deno.utime(path, soon, soon);
    equal(await version.whenNew(() => Promise.resolve(1)), 1);
    equal(await version.whenNew(() => Promise.resolve(2)), 2);
  }));

Deno.test("StorageVersion reads again after a failure", () =>
  withStorage(async (path) => {
    const version = new StorageVersion(path);
    await write(path, "a");
    await version.whenNew(() => Promise.reject(new Error("Busy"))).catch(() => {});
    equal(await version.whenNew(() => Promise.resolve(1)), 1);
  }));
