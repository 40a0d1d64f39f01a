/** Shapes on tables of their own, a refresher of them, and a clock that the test moves. */

import type { ModeKind, ModeReason } from "../../shapes/mode.ts";
import { Refresher } from "../../shapes/reconcile/refresher.ts";
import type { Shape } from "../../shapes/shape.ts";
import { IngestWorld } from "./ingest_world.ts";
import { IDENTITY } from "./reconcile_world.ts";
import { waitUntil } from "./recording_sink.ts";
import { ScriptedSource, SilentLogger } from "./scripted_source.ts";
import { table } from "./shape_fixture.ts";

export const INTERVAL_MS = 1_000;

export interface RefresherOptions {
  readonly shapes?: number;
  readonly mode?: ModeKind;
  readonly random?: () => number;
  readonly concurrency?: number;
}

export class RefresherWorld implements AsyncDisposable {
  readonly source = new ScriptedSource();
  readonly ingest = new IngestWorld();
  readonly logger = new SilentLogger();
  readonly shapes: Shape[];
  readonly rotated: string[] = [];
  readonly foreign: bigint[] = [];
  readonly refresher: Refresher;
  mode: ModeKind;
  reason: ModeReason | undefined;
  nowMs = 100_000;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  constructor(
    { shapes = 1, mode = "fallback", random = () => 0, concurrency = 2 }: RefresherOptions = {},
  ) {
    this.mode = mode;
    this.shapes = Array.from(
      { length: shapes },
      (_, i) => this.ingest.shape(table({ oid: 5000 + i, name: `t${i}` }), { table: `t${i}` }),
    );
    this.sees(10n);
    this.refresher = new Refresher({
      source: this.source,
      ingest: this.ingest.ingest,
      store: this.ingest.store,
      logger: this.logger,
      shapes: () => this.shapes,
      mode: () => ({ kind: this.mode, reason: this.reason, detail: "", sinceMs: 0 }),
      identity: () => IDENTITY,
      onForeign: (_, position) => Promise.resolve(void this.foreign.push(position)),
      rotate: (shape, reason) => {
        this.rotated.push(`${shape.definition.table.name}: ${reason}`);
        shape.end();
      },
      intervalMs: INTERVAL_MS,
      concurrency,
      nowMs: () => this.nowMs,
      random,
    });
    this.#running = this.refresher.run(this.#stop.signal);
  }

  /** The database's position, which snapshots are taken at. */
  sees(position: bigint): void {
    this.source.walPosition = position;
    this.source.visibility = { xmin: 900n, xmax: 900n, inProgress: [], walPosition: position };
  }

  /** Names of the tables that were queried. */
  get queried(): string[] {
    return this.source.calls.filter((call) => call.startsWith("snapshot"))
      .map((call) => call.slice("snapshot ".length));
  }

  use(...shapes: Shape[]): void {
    for (const shape of shapes) shape.touch(this.nowMs);
  }

  /** A shape is refreshed that needs it; whether it does. */
  async refresh(shape = this.shapes[0]): Promise<boolean> {
    const refreshing = this.refresher.refresh(shape);
    await refreshing;
    return refreshing !== undefined;
  }

  /** It has been looked so often for shapes whose turn has come. */
  async looked(times = 2): Promise<void> {
    let looks = 0;
    const { shapes } = this;
    const iterate = shapes[Symbol.iterator].bind(shapes);
    shapes[Symbol.iterator] = () => (looks++, iterate());
    await waitUntil("it has been looked", () => looks > times);
    Reflect.deleteProperty(shapes, Symbol.iterator);
    await waitUntil("nothing runs", () => this.refresher.running === 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const stage of ["prepare", "visible", "end"] as const) this.source.open(stage);
    this.#stop.abort();
    await this.#running;
  }
}
