/**
 * A shape, a database and a client through everything that can happen to them, in a random order that
 * a seed repeats: writes, commits that are not visible at once, a stream that breaks off and comes
 * back or loses its slot, a table that goes unpublished, reconciles held up at every stage, a store that
 * is slow, crashes. The client (`simulated_client.ts`) is sent back to start only if a crash kept from
 * being stored what it had read, and the stream did not send that again.
 */

import { deepStrictEqual as deepEqual, ok } from "node:assert/strict";
import type { StreamEvent } from "../../shapes/change.ts";
import type { DefinitionRequest } from "../../shapes/service.ts";
import type { Shape } from "../../shapes/shape.ts";
import { DrivenStore } from "./driven_store.ts";
import type { Random } from "./random.ts";
import type { Stage } from "./scripted_source.ts";
import { request } from "./shape_fixture.ts";
import { SimulatedClient } from "./simulated_client.ts";
import { SimulatedDatabase } from "./simulated_database.ts";
import { SimulatedServer } from "./simulated_server.ts";

const STAGES: readonly Stage[] = ["reserve", "visible", "rows", "batch", "end"];
export class Simulation {
  readonly #random: Random;
  readonly #database: SimulatedDatabase;
  readonly #wish: DefinitionRequest;
  #client = new SimulatedClient();
  #server: SimulatedServer;
  #handle = "";
  /** Events of the stream that are still to come; undefined while there is none. */
  #stream: { next: number; rest: StreamEvent[] } | undefined;
  #confirmed = 0n;
  #accepting: Promise<void> | undefined;
  #reconciling: Promise<void> | undefined;
  #abort = new AbortController();
  readonly counts: Record<string, number> = {};

  private constructor(
    random: Random,
    database: SimulatedDatabase,
    server: SimulatedServer,
    wish: DefinitionRequest,
  ) {
    this.#random = random;
    this.#database = database;
    this.#server = server;
    this.#wish = wish;
  }

  /** A client has read a new shape to its end. */
  static async start(random: Random, changed: Partial<DefinitionRequest>): Promise<Simulation> {
    const database = new SimulatedDatabase(random);
    for (let i = 0; i < 10; i++) database.write();
    database.show();
    const server = await SimulatedServer.start(database, new DrivenStore({ pieceBytes: 150 }));
    const simulation = new Simulation(random, database, server, request(changed));
    await simulation.#connect(true);
    await simulation.#begin();
    return simulation;
  }

  /** The client reads the shape from its start. */
  async #begin(): Promise<void> {
    const shape = await this.#server.catalog.findOrCreate(this.#wish);
    this.#handle = shape.handle;
    this.#client = new SimulatedClient();
    await this.#until(() => shape.isComplete);
    await this.#read();
  }

  async step(): Promise<void> {
    const random = this.#random;
    const act = random.pick([
      () => this.#database.write(),
      () => this.#database.write(),
      () => random.chance(0.5) && this.#database.show(),
      () => this.#deliver(),
      () => this.#deliver(),
      () => this.#deliver(),
      () => this.#reconcile(),
      () => this.#open(),
      () => this.#open(),
      () => this.#open(),
      () => this.#server.store.commit(1 + random.below(4)),
      () => this.#server.store.commit(),
      () => random.chance(0.3) && this.#suspend(),
      () => random.chance(0.5) && !this.#stream && this.#connect(random.chance(0.3)),
      () => random.chance(0.3) && this.#fail(),
      () => random.chance(0.2) && this.#crash(),
      () => random.chance(0.2) && this.#shape.lose(),
      () => random.chance(0.2) && this.#unpublish(),
      () => random.chance(0.5) && this.#server.watch(),
    ]);
    await act();
    await turn();
    if (random.chance(0.7)) await this.#read();
  }

  /** All comes to rest: the client then has what the database has. */
  async finish(): Promise<void> {
    for (let round = 0; round < 200; round++) {
      this.#database.show();
      if (!this.#stream) await this.#connect(false);
      this.#openAll();
      this.#server.store.commit();
      this.#server.watch();
      if (this.#shape.isBehind) this.#reconcile();
      await this.#deliver(true);
      await turn();
      await this.#read();
      if (!this.#shape.isBehind && !this.#reconciling && !this.#accepting && this.#isDelivered) {
        break;
      }
    }
    ok(!this.#shape.isBehind && this.#isDelivered, "it does not come to rest");
    const { where } = this.#wish;
    const sorted = (rows: readonly unknown[]) => rows.map((row) => JSON.stringify(row)).sort();
    deepEqual(sorted(this.#client.rows), sorted(this.#database.select(where !== undefined)));
  }

  get #shape(): Shape {
    const shape = this.#server.catalog.byHandle(this.#handle);
    ok(shape, "the client would be sent back to start");
    return shape;
  }

  get #isDelivered(): boolean {
    const { transactions } = this.#database;
    return this.#stream?.next === transactions.length && this.#stream.rest.length === 0;
  }

  #count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }

  /** A stream begins, from what is confirmed, or with a new slot. */
  async #connect(isSlotNew: boolean): Promise<void> {
    const { continuity } = this.#server;
    if (isSlotNew) await this.#flushing(continuity.lose("The slot is gone"));
    // Postgres waits for all transactions under way before there is a new slot.
    if (isSlotNew) this.#database.show();
    if (isSlotNew) this.#confirmed = this.#database.end;
    const confirmedLsn = this.#confirmed;
    await this.#flushing(this.#server.begin(isSlotNew, confirmedLsn));
    const { transactions } = this.#database;
    const next = transactions.findIndex(({ lsn }) => lsn >= confirmedLsn);
    this.#stream = { next: next < 0 ? transactions.length : next, rest: [] };
    this.#server.setMode("live");
    this.#count(isSlotNew ? "new slot" : "reconnect");
  }

  #suspend(): void {
    if (!this.#stream) return;
    this.#noteConfirmed();
    this.#stream = undefined;
    this.#accepting = undefined;
    this.#server.ingest.suspend();
    this.#server.setMode("fallback");
  }

  #noteConfirmed(): void {
    if (this.#server.confirmed > this.#confirmed) this.#confirmed = this.#server.confirmed;
  }

  /** The stream brings some of a transaction, or the rest of it. */
  async #deliver(isAll = false): Promise<void> {
    const stream = this.#stream;
    if (!stream || this.#accepting) return;
    do {
      if (stream.rest.length === 0) {
        const transaction = this.#database.transactions[stream.next];
        if (!transaction) return;
        stream.next++;
        stream.rest = this.#database.events(transaction);
      }
      const { length } = stream.rest;
      const count = isAll || this.#random.chance(0.6) ? length : this.#random.below(length);
      const accepting = this.#server.ingest.accept(stream.rest.splice(0, count));
      if (accepting) {
        const mine = accepting.finally(() => {
          if (this.#accepting === mine) this.#accepting = undefined;
        });
        this.#accepting = mine;
      }
      await turn();
    } while (isAll && !this.#accepting && this.#stream === stream);
  }

  #reconcile(): void {
    if (this.#reconciling || !this.#shape.isComplete) return;
    const { isLive, source } = this.#server;
    if (isLive && !this.#shape.isBehind) return;
    this.#abort = new AbortController();
    for (const stage of STAGES) if (this.#random.chance(0.5)) source.close(stage);
    const reconciling = this.#server.reconcile(this.#shape, this.#abort.signal).then(
      ({ differences }) => {
        this.#count(isLive ? "reconciled live" : "reconciled in fallback");
        if (differences > 0) this.#count("differences");
      },
      (error) => {
        this.#count(`failed: ${error.name}`);
        if (!/^(AbortError|Lagging|Ahead|LostMean|ShapeGone|Unavail)/.test(error.name)) throw error;
      },
    ).finally(() => {
      if (this.#reconciling === reconciling) this.#reconciling = undefined;
    });
    this.#reconciling = reconciling;
  }

  /** Somebody takes the table out of the publication. */
  #unpublish(): void {
    if (!this.#database.isPublished) return;
    this.#count("unpublished");
    this.#database.isPublished = false;
  }

  #open(): void {
    this.#server.source.open(this.#random.pick(STAGES));
  }

  #openAll(): void {
    for (const stage of STAGES) this.#server.source.open(stage);
  }

  #fail(): void {
    if (!this.#reconciling) return;
    if (this.#random.chance(0.5)) this.#abort.abort();
    else {
      const failure = Object.assign(new Error("gone"), { name: "UnavailableError" });
      this.#server.source.failures[this.#random.pick(STAGES)] = failure;
    }
  }

  async #crash(): Promise<void> {
    this.#count("crash");
    this.#noteConfirmed();
    this.#abort.abort();
    this.#stream = this.#accepting = this.#reconciling = undefined;
    // Longer than a commit takes.
    this.#database.show();
    this.#server = await SimulatedServer.start(this.#database, this.#server.store.crash());
    this.#server.setMode("fallback");
    this.#client.noteCrash(this.#shape);
  }

  async #read(): Promise<void> {
    if (!await this.#client.read(this.#shape)) await this.#startAgain();
  }

  async #startAgain(): Promise<void> {
    this.#count("start again");
    this.#abort.abort();
    this.#openAll();
    this.#server.source.failures = {};
    await this.#begin();
  }

  async #until(condition: () => boolean): Promise<void> {
    for (let turns = 0; !condition(); turns++) {
      ok(turns < 500, "nothing goes on");
      this.#server.store.commit();
      await turn();
    }
  }

  async #flushing(work: Promise<void>): Promise<void> {
    let isDone = false;
    work.finally(() => isDone = true);
    await this.#until(() => isDone);
    await work;
  }
}

/** Everything that can go on without us has. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** So many steps, and the end; how often what happened. */
export async function simulate(
  random: Random,
  changed: Partial<DefinitionRequest>,
  steps: number,
): Promise<Readonly<Record<string, number>>> {
  const simulation = await Simulation.start(random, changed);
  for (let step = 0; step < steps; step++) await simulation.step();
  await simulation.finish();
  return simulation.counts;
}
