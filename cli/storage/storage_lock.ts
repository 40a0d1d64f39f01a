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
    super(
      `Storage directory "${directory}" is in use by ${holder}: stop it, use another one, or wait for its end with --standby`,
    );
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

/** Between tries of one who waits. */
const RETRY_MS = 250;

/** Locks an existing directory until disposed of. Throws `StorageLockedError`. */
export async function lockStorage(directory: string): Promise<Disposable> {
  const path = lockPath(directory);
  const file = await openLock(path);
  if (!await tryLock(file, () => file.close())) {
    throw new StorageLockedError(directory, await readPid(path));
  }
  return await markHeld(file);
}

/** As `lockStorage`, but waits for whoever has it; undefined when the signal fires before. */
export async function awaitStorageLock(
  directory: string,
  signal: AbortSignal,
): Promise<Disposable | undefined> {
  const file = await openLock(lockPath(directory));
  const isLocked = await waitToLock(file, signal);
  if (isLocked) return await markHeld(file);
  // A lock that is being waited for goes with the process.
  if (canTry(file)) file.close();
  return undefined;
}

/** Who holds a directory and since when, as far as it can be read. */
export async function readHolder(directory: string): Promise<{ pid?: number; since?: string }> {
  const path = lockPath(directory);
  const pid = await readPid(path);
  const since = (await Deno.stat(path)).mtime?.toISOString();
  return { ...(pid === undefined ? {} : { pid }), ...(since === undefined ? {} : { since }) };
}

function lockPath(directory: string): string {
  return `${directory}/lock`;
}

function openLock(path: string): Promise<Deno.FsFile> {
  return Deno.open(path, { read: true, write: true, create: true });
}

async function markHeld(file: Deno.FsFile): Promise<Disposable> {
  await file.truncate(0);
  await file.write(new TextEncoder().encode(`${Deno.pid}\n`));
  return { [Symbol.dispose]: () => file.close() };
}

function canTry(file: LockableFile): boolean {
  return file.tryLock !== undefined;
}

/** Whether the file was locked before the signal fired. */
async function waitToLock(file: LockableFile, signal: AbortSignal): Promise<boolean> {
  const left = Promise.withResolvers<false>();
  const leave = () => left.resolve(false);
  signal.addEventListener("abort", leave);
  try {
    if (file.tryLock === undefined) {
      return await Promise.race([file.lock(true).then(() => true), left.promise]);
    }
    for (;;) {
      if (signal.aborted) return false;
      if (await file.tryLock(true)) return true;
      const pause = Promise.withResolvers<void>();
      const timer = setTimeout(pause.resolve, RETRY_MS);
      await Promise.race([pause.promise, left.promise]);
      clearTimeout(timer);
    }
  } finally {
    signal.removeEventListener("abort", leave);
  }
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
