/** `electric-ts tail`: follows tables through the HTTP API until it is told to end. */

import { TAIL_FLAGS } from "../command_flags.ts";
import type { CommandIo } from "../command_io.ts";
import type { GivenFlags } from "../command_line.ts";
import { UsageError } from "../usage_error.ts";
import { readFlags, serverUrlOf } from "../read_flags.ts";
import { EXIT_UNREACHABLE } from "../status/status.ts";
import { type Change, mergeByPlace, parseMessage } from "./tail_event.ts";
import { type TableState, TailOutput } from "./tail_output.ts";
import { followTable, type TailOptions, UnreachableError } from "./tail_stream.ts";

/** Batches of several tables that arrive within this time are put in the order of the log. */
const MERGE_MS = 50;
const PROGRESS_MS = 250;

/** Resolves with the exit code. Throws `BrokenPipe`, and what nobody can go on from. */
export async function runTail(
  given: GivenFlags,
  io: CommandIo,
  signal: AbortSignal,
): Promise<number> {
  const tail = new Tail(readOptions(given, io), io);
  try {
    return await tail.run(signal);
  } catch (error) {
    if (!(error instanceof UnreachableError)) throw error;
    io.err(`Error: ${error.message}\n`);
    return EXIT_UNREACHABLE;
  }
}

function readOptions(given: GivenFlags, { env }: CommandIo): TailOptions {
  const flags = readFlags("tail", TAIL_FLAGS, given, env);
  const { tables, since, handle } = flags;
  const fail = (message: string) => {
    throw new UsageError(message, "tail");
  };
  if (tables.length === 0) fail("Name a table: --table issues");
  if (new Set(tables).size < tables.length) fail("Each --table can be followed once only");
  const isOffset = since.includes("_");
  if (isOffset && handle === undefined) fail("An offset means something with its --handle only");
  if (!isOffset && handle !== undefined) fail("--handle goes with an offset in --since");
  if (isOffset && tables.length > 1) fail("An offset is of one table: give one --table");
  return { ...flags, url: serverUrlOf(flags.url, env) };
}

class Tail {
  readonly #options: TailOptions;
  readonly #output: TailOutput;
  readonly #states: readonly TableState[];
  readonly #done = Promise.withResolvers<void>();
  readonly #ending = new AbortController();
  #left: number;
  #pending: (readonly Change[])[] = [];
  #flush: Promise<void> | undefined;

  constructor(options: TailOptions, io: CommandIo) {
    const { tables } = options;
    this.#options = options;
    this.#left = options.limit ?? Infinity;
    const isManyTables = tables.length > 1;
    this.#output = new TailOutput(io, {
      isJson: options.isJson || !io.isOutTerminal,
      isManyTables,
    });
    this.#states = tables.map((table) => ({
      table,
      keyColumns: [],
      rows: 0,
      isUpToDate: false,
      failingSinceMs: undefined,
    }));
  }

  async run(signal: AbortSignal): Promise<number> {
    signal.addEventListener("abort", () => this.#done.resolve(), { once: true });
    const timer = setInterval(() => this.#output.progress(this.#states), PROGRESS_MS);
    try {
      for (const state of this.#states) this.#follow(state);
      await this.#done.promise;
    } finally {
      clearInterval(timer);
      this.#ending.abort();
      this.#output.eraseProgress();
    }
    if (signal.aborted) this.#output.summary();
    return 0;
  }

  #follow(state: TableState): void {
    const output = this.#output;
    followTable(state.table, this.#options, {
      onFailure: (cause) => this.#guard(() => output.failure(state, cause)),
      onRecovery: () => this.#guard(() => output.recovery(state)),
      onMode: (isFallback) => this.#guard(() => output.mode(state.table, isFallback)),
      onKeyColumns: (names) => state.keyColumns = names,
      onMessages: (messages) => this.#take(state, messages),
      onEnd: (error) => this.#done.reject(error),
    }, this.#ending.signal);
  }

  /** What fails here ends all; the client would take it for a failure of its own. */
  #guard(work: () => void): void {
    if (this.#ending.signal.aborted) return;
    try {
      work();
    } catch (error) {
      this.#done.reject(error);
    }
  }

  async #take(state: TableState, batch: readonly unknown[]): Promise<void> {
    const messages = batch.map((message) => parseMessage(state.table, message));
    const changes = messages.flatMap((message) =>
      message?.kind === "change" ? [message.change] : []
    );
    const controls = messages.flatMap((message) =>
      message?.kind === "control" ? [message.control] : []
    );
    if (controls.includes("must-refetch")) this.#guard(() => this.#startOver(state));
    await this.#write(changes);
    if (!state.isUpToDate) state.rows += changes.length;
    if (controls.includes("up-to-date")) this.#guard(() => this.#reachHead(state));
  }

  #startOver(state: TableState): void {
    state.rows = 0;
    state.isUpToDate = false;
    this.#output.mustRefetch(state.table);
  }

  #reachHead(state: TableState): void {
    if (!state.isUpToDate) this.#output.upToDate(state);
    state.isUpToDate = true;
    if (this.#options.isFollowing || !this.#states.every(({ isUpToDate }) => isUpToDate)) return;
    this.#done.resolve();
  }

  /** Rows of the beginning have no place among others, and a single table has no others. */
  async #write(changes: readonly Change[]): Promise<void> {
    const isAlone = this.#states.length === 1 || changes.every(({ place }) => !place);
    if (isAlone && this.#pending.length === 0) return this.#guard(() => this.#print(changes));
    this.#pending.push(changes);
    this.#flush ??= pause(MERGE_MS).then(() => {
      const batches = this.#pending;
      this.#pending = [];
      this.#flush = undefined;
      this.#guard(() => this.#print(mergeByPlace(batches)));
    });
    await this.#flush;
  }

  #print(changes: readonly Change[]): void {
    for (const change of changes) {
      if (this.#left === 0) return;
      const state = this.#states.find(({ table }) => table === change.table);
      if (state) this.#output.change(change, state);
      if (--this.#left === 0) this.#done.resolve();
    }
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
