/**
 * Follows a shape over HTTP as a client does and keeps its rows. It is strict where clients are
 * lenient: an insert of a row that is there, or an update or delete of one that is not, is an error,
 * and so are offsets that do not grow.
 */

import { pause } from "./server_process.ts";

export interface Message {
  readonly key?: string;
  readonly value?: Readonly<Record<string, string | null>>;
  readonly headers: Readonly<Record<string, unknown>>;
}

export interface FollowerOptions {
  /**
   * Goes on from `<lsn>_0` now and then, as clients of event streams do: in the middle of a
   * transaction, of which it gets items once more.
   */
  readonly goesBack?: boolean;
}

export class ShapeFollower {
  readonly rows = new Map<string, Record<string, string | null>>();
  /** How often the server sent it back to start after it had been up to date (invariant I8). */
  refetches = 0;
  handle: string | undefined;
  offset = "-1";
  readonly #params: Readonly<Record<string, string>>;
  readonly #url: string;
  readonly #goesBack: boolean;
  #cursor = "";
  #isUpToDate = false;
  #hasBeenUpToDate = false;
  /** The last LSN that an up-to-date message named. */
  #seen = 0n;
  #position: readonly [bigint, number] = [-1n, 0];
  /** It went back: what lies up to its position comes once more. */
  #isBack = false;

  constructor(
    url: string,
    params: Readonly<Record<string, string>>,
    { goesBack = false }: FollowerOptions = {},
  ) {
    this.#url = url;
    this.#params = params;
    this.#goesBack = goesBack;
  }

  /** Goes on where another has stopped, maybe at another server. */
  resume(other: ShapeFollower): void {
    for (const [key, row] of other.rows) this.rows.set(key, row);
    this.handle = other.handle;
    this.offset = other.offset;
    this.#isUpToDate = this.#hasBeenUpToDate = other.#hasBeenUpToDate;
    this.#position = other.#position;
  }

  get seen(): bigint {
    return this.#seen;
  }

  /** Follows the shape until the server has told that everything up to `lsn` has been sent. */
  async followTo(lsn: bigint, deadlineMs = 60_000): Promise<void> {
    await this.followUntil(() => this.#seen >= lsn, `Nothing up to ${lsn}`, deadlineMs);
  }

  /** Follows the shape until it is up to date and that is so; it fails with what is missing. */
  async followUntil(isSo: () => boolean, missing: string, deadlineMs = 60_000): Promise<void> {
    const deadline = Date.now() + deadlineMs;
    while (!this.#isUpToDate || !isSo()) {
      if (Date.now() > deadline) {
        throw new Error(`${missing} from ${JSON.stringify(this.#params)}: ${this.#seen}`);
      }
      // Not live: those answers say how far all shapes are, though nothing came for this one.
      if (this.#isUpToDate) await pause(10);
      await this.#request(false);
    }
  }

  /** Long-polls until the signal fires, through connection failures and unavailability. */
  async follow(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) await this.#request(this.#isUpToDate, signal);
  }

  async #request(isLive: boolean, signal?: AbortSignal): Promise<void> {
    const query = new URLSearchParams({ ...this.#params, offset: this.offset });
    if (this.handle) query.set("handle", this.handle);
    if (isLive) query.set("live", "true");
    if (isLive && this.#cursor) query.set("cursor", this.#cursor);
    let response: Response, messages: Message[] | undefined;
    try {
      response = await fetch(`${this.#url}/v1/shape?${query}`, { signal });
      const text = await response.text();
      if (response.status === 200) messages = JSON.parse(text) as Message[];
      else if (response.status !== 409 && response.status !== 503) {
        throw new TypeError(`Status ${response.status}: ${text}`);
      }
    } catch (error) {
      if (error instanceof TypeError && error.message.startsWith("Status")) throw error;
      return signal?.aborted ? undefined : await pause(20);
    }
    if (response.status === 409) this.#restart(response);
    else if (messages) this.#take(response, messages);
    else await pause(20);
  }

  #restart(response: Response): void {
    if (this.#hasBeenUpToDate) this.refetches++;
    this.#hasBeenUpToDate = false;
    this.rows.clear();
    this.handle = response.headers.get("electric-handle") ?? undefined;
    this.offset = "-1";
    this.#isUpToDate = false;
    this.#position = [-1n, 0];
    this.#isBack = false;
  }

  #take(response: Response, messages: readonly Message[]): void {
    this.handle = response.headers.get("electric-handle") ?? this.handle;
    this.#cursor = response.headers.get("electric-cursor") ?? this.#cursor;
    const offset = response.headers.get("electric-offset") ?? this.offset;
    for (const message of messages) this.#apply(message);
    this.offset = offset;
    const last = messages.at(-1)?.headers;
    this.#isUpToDate = last?.control === "up-to-date";
    this.#hasBeenUpToDate ||= this.#isUpToDate;
    if (!this.#isUpToDate) return;
    this.#seen = BigInt(`${last?.global_last_seen_lsn}`);
    const hasNews = messages.length > 1 && !this.#isBack;
    this.#isBack = this.#goesBack && hasNews && this.#goBack();
  }

  /** False if nothing has come from the stream yet. */
  #goBack(): boolean {
    const [lsn, op] = this.#position;
    if (op === 0 || this.offset !== `${lsn}_${op}`) return false;
    this.offset = `${lsn}_0`;
    return true;
  }

  #apply({ key = "", value = {}, headers }: Message): void {
    const { operation, lsn, op_position: op } = headers;
    if (operation === undefined) return;
    if (this.#isBack && lsn === `${this.#position[0]}` && Number(op) <= this.#position[1]) return;
    this.#checkPosition(headers);
    const known = this.rows.get(key);
    if (operation === "insert") {
      if (known) this.#fail("Inserted twice", key, headers);
      this.rows.set(key, { ...value });
    } else {
      if (!known) this.#fail(`Unknown row ${operation}d`, key, headers);
      if (operation === "delete") this.rows.delete(key);
      else this.rows.set(key, { ...known, ...value });
    }
  }

  #checkPosition({ lsn, op_position }: Message["headers"]): void {
    if (lsn === undefined) return;
    const next = [BigInt(`${lsn}`), Number(op_position)] as const;
    const [before, op] = this.#position;
    if (next[0] < before || next[0] === before && next[1] <= op) {
      throw new RangeError(`Offset ${next} after ${this.#position}`);
    }
    this.#position = next;
  }

  #fail(problem: string, key: string, headers: Message["headers"]): never {
    throw new RangeError(
      `${problem}: ${key} ${JSON.stringify(headers)} of ${JSON.stringify(this.#params)}`,
    );
  }
}
