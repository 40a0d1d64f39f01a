import assert from "node:assert/strict";
import {
  awaitStorageLock,
  lockStorage,
  readHolder,
  StorageLockedError,
} from "../../../cli/storage/storage_lock.ts";
import { withDirectory } from "../../support/temp_directory.ts";

const LOCK_MODULE = new URL("../../../cli/storage/storage_lock.ts", import.meta.url).href;

/** Runs code in another process; `lock(directory)` is there to be called. */
function spawn(directory: string, code: string): Deno.ChildProcess {
  const script = `import { lockStorage } from ${JSON.stringify(LOCK_MODULE)};
    const lock = () => lockStorage(${JSON.stringify(directory)});
    ${code}`;
  return new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-check", script],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** A process that has the lock until it is killed. */
async function startHolder(directory: string) {
  const process = spawn(
    directory,
    `await lock(); console.log("locked"); setInterval(() => {}, 9e5);`,
  );
  const reader = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  assert.equal((await reader.read()).value, "locked\n");
  const kill = async () => {
    process.kill("SIGKILL");
    await process.status;
    await reader.cancel();
    await process.stderr.cancel();
  };
  return { pid: process.pid, kill };
}

async function tryInOtherProcess(directory: string): Promise<string> {
  const code = `try { await lock(); console.log("locked"); } catch (error) {
    console.log(error.name, error.pid, error.message);
  } Deno.exit(0);`;
  const { stdout } = await spawn(directory, code).output();
  return new TextDecoder().decode(stdout).trim();
}

Deno.test("lockStorage() keeps another process out and tells it who holds the lock", () =>
  withDirectory(async (directory) => {
    {
      using _lock = await lockStorage(directory);
      assert.equal(
        await tryInOtherProcess(directory),
        `StorageLockedError ${Deno.pid} Storage directory "${directory}" is in use by process ` +
          `${Deno.pid}: stop it, use another one, or wait for its end with --standby`,
      );
    }
    assert.equal(await tryInOtherProcess(directory), "locked");
  }));

Deno.test("lockStorage() locks a directory whose holder was killed", () =>
  withDirectory(async (directory) => {
    const holder = await startHolder(directory);
    assert.match(await tryInOtherProcess(directory), /^StorageLockedError/);
    await holder.kill();
    using _lock = await lockStorage(directory);
    assert.equal(await Deno.readTextFile(`${directory}/lock`), `${Deno.pid}\n`);
  }));

Deno.test("awaitStorageLock() has the lock as soon as its holder has ended", () =>
  withDirectory(async (directory) => {
    const holder = await startHolder(directory);
    const { pid, since } = await readHolder(directory);
    assert.equal(pid, holder.pid);
    assert(Date.now() - Date.parse(since ?? "") < 60_000);
    const waiting = awaitStorageLock(directory, new AbortController().signal);
    await holder.kill();
    using lock = await waiting;
    assert(lock);
    assert.equal(await Deno.readTextFile(`${directory}/lock`), `${Deno.pid}\n`);
    assert.match(await tryInOtherProcess(directory), /^StorageLockedError/);
  }));

Deno.test("lockStorage() says what is wrong with a directory that is not there", () =>
  withDirectory(async (directory) => {
    await assert.rejects(() => lockStorage(`${directory}/missing`), Deno.errors.NotFound);
  }));

Deno.test("StorageLockedError speaks of another process when it cannot tell which", () => {
  const error = new StorageLockedError("/data", undefined);
  assert.match(error.message, /"\/data" is in use by another process/);
  assert.equal(error.pid, undefined);
});
