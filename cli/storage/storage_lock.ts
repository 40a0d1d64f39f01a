/**
 * One process at a time writes to a storage directory. The lock is the operating system's, on a file
 * that stays there: however its holder ends, the lock is gone with it.
 */

/** Another process holds the directory. */
export class StorageLockedError extends Error {
  override readonly name = "StorageLockedError";
  /** The holder's, as far as it could be read. */
  readonly pid: number | undefined;

  constructor(directory: string, pid: number | undefined) {
    const holder = pid === undefined ? "another process" : `process ${pid}`;
    super(`Storage directory "${directory}" is in use by ${holder}: stop it or use another one`);
    this.pid = pid;
  }
}

/** `tryLock` came after Deno 2.4. */
interface LockableFile {
  lock(exclusive?: boolean): Promise<void>;
  tryLock?(exclusive?: boolean): Promise<boolean>;
}

/** How long an old Deno waits for a lock that nobody else should hold. */
const LOCK_WAIT_MS = 1_000;

/** Locks an existing directory until disposed of. Throws `StorageLockedError`. */
export async function lockStorage(directory: string): Promise<Disposable> {
  const path = `${directory}/lock`;
  const file = await Deno.open(path, { read: true, write: true, create: true });
  if (!await tryLock(file, () => file.close())) {
    throw new StorageLockedError(directory, await readPid(path));
  }
  await file.truncate(0);
  await file.write(new TextEncoder().encode(`${Deno.pid}\n`));
  return { [Symbol.dispose]: () => file.close() };
}

/** Answers whether the file was locked; if not, it is closed now or as soon as it can be. */
async function tryLock(file: LockableFile, close: () => void): Promise<boolean> {
  if (file.tryLock !== undefined) {
    const isLocked = await file.tryLock(true);
    if (!isLocked) close();
    return isLocked;
  }
  const late = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => late.resolve(false), LOCK_WAIT_MS);
  const locking = file.lock(true).then(() => true);
  const isLocked = await Promise.race([locking, late.promise]);
  clearTimeout(timer);
  if (!isLocked) locking.then(close, close);
  return isLocked;
}

async function readPid(path: string): Promise<number | undefined> {
  const pid = Number.parseInt(await Deno.readTextFile(path), 10);
  return Number.isNaN(pid) ? undefined : pid;
}
