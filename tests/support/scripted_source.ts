/** Postgres as a test scripts it: tables and rows in memory, every answer held back at will. */

import type {
  Evaluation,
  EvaluationRequest,
  SnapshotRequest,
  SnapshotSink,
  Source,
  SourceOrigin,
  Visibility,
} from "../../shapes/ports.ts";
import { IS_UNKNOWN } from "../../shapes/ports.ts";
import type { Row } from "../../shapes/row.ts";
import type { Table, TableName } from "../../shapes/table.ts";
import { copyText } from "./arbitrary.ts";

export type Texts = Readonly<Record<string, string | null>>;

/** Where a snapshot may be held back. */
export type Stage = "prepare" | "reserve" | "visible" | "rows" | "batch" | "end";
/** Where any question may be held back. */
export type Place = Stage | "describe" | "position" | "ancestors" | "evaluate";

/** Sees nothing: no transaction is in it. */
export const EMPTY_VISIBILITY: Visibility = { xmin: 1n, xmax: 1n, inProgress: [], walPosition: 0n };

export class ScriptedSource implements Source {
  readonly tables: Table[] = [];
  /** Rows by table OID. */
  readonly rows = new Map<number, readonly Texts[]>();
  /** Ancestors by relation OID. */
  readonly parents = new Map<number, readonly number[]>();
  visibility: Visibility = EMPTY_VISIBILITY;
  /** What reconciles are told. */
  origin: SourceOrigin = { systemId: "1", database: "test", timeline: 1, isReplica: false };
  walPosition = 0n;
  /** Rows sent with one call of the sink. */
  batchSize = 3;
  /** Thrown at a stage of the next snapshot. */
  failures: Partial<Record<Place, unknown>> = {};
  /** What Postgres makes of a condition for a row. */
  truthOf: (condition: string, row: Row) => number = () => IS_UNKNOWN;
  /** Called right before a snapshot is taken: may set the visibility and the rows. */
  onTake: (request: SnapshotRequest) => void = () => {};
  /** What preparing a table takes. */
  onPrepare: (table: Table) => Promise<void> = () => Promise.resolve();
  /** What was asked of it: `describe public.items`, `snapshot items`, … */
  readonly calls: string[] = [];
  /** Ignores the abort signal, as a connection does that hangs. */
  isDeaf = false;
  readonly #gates = new Map<string, PromiseWithResolvers<void>>();
  #reached: { stage: string; resolve: () => void }[] = [];
  readonly #stagesReached = new Set<string>();

  /** Holds everything back that comes to the stage, until `open`. */
  close(stage: Place): void {
    this.#gates.set(stage, Promise.withResolvers());
    this.#stagesReached.delete(stage);
  }

  open(stage: Place): void {
    this.#gates.get(stage)?.resolve();
    this.#gates.delete(stage);
  }

  /** Resolves when something has come to the stage. */
  reached(stage: Place): Promise<void> {
    if (this.#stagesReached.has(stage)) return Promise.resolve();
    return new Promise((resolve) => this.#reached.push({ stage, resolve }));
  }

  async describe({ schema, name }: TableName): Promise<Table | undefined> {
    this.calls.push(`describe ${schema}.${name}`);
    await this.#at("describe");
    return this.tables.findLast((table) => table.schema === schema && table.name === name);
  }

  async prepare(table: Table): Promise<void> {
    this.calls.push(`prepare ${table.name}`);
    await this.#at("prepare");
    await this.onPrepare(table);
  }

  async snapshot(
    request: SnapshotRequest,
    sink: SnapshotSink,
    { onReserved, signal }: { onReserved: () => void; signal: AbortSignal },
  ): Promise<void> {
    this.calls.push(`snapshot ${request.table.name}`);
    await this.#at("reserve", signal);
    onReserved();
    await this.#at("visible", signal);
    const isReconcile = request.purpose === "reconcile";
    this.onTake(request);
    const rows = request.hasRows ? this.rows.get(request.table.oid) ?? [] : [];
    await sink.visible(this.visibility, isReconcile ? this.origin : undefined);
    await this.#at("rows", signal);
    for (let i = 0; i < rows.length; i += this.batchSize) {
      await this.#at("batch", signal);
      const batch = rows.slice(i, i + this.batchSize);
      const names = isReconcile ? [...request.columns, "xmin"] : request.columns;
      await sink.rows(copyText(batch.map((row) => names.map((name) => row[name] ?? null))));
    }
    await this.#at("end", signal);
  }

  async position(): Promise<bigint> {
    await this.#at("position");
    return this.walPosition;
  }

  async ancestors(relationOid: number): Promise<readonly number[]> {
    this.calls.push(`ancestors ${relationOid}`);
    await this.#at("ancestors");
    return this.parents.get(relationOid) ?? [];
  }

  async evaluate(request: EvaluationRequest, signal: AbortSignal): Promise<Evaluation> {
    const { rows, conditions } = request;
    this.calls.push(`evaluate ${rows.length} rows`);
    await this.#at("evaluate", signal);
    const truths = rows.flatMap((row) => conditions.map((each) => this.truthOf(each, row)));
    return { truths: new Uint8Array(truths), failures: [] };
  }

  async #at(stage: Place, signal?: AbortSignal): Promise<void> {
    this.#stagesReached.add(stage);
    for (const { stage: awaited, resolve } of this.#reached) if (awaited === stage) resolve();
    this.#reached = this.#reached.filter((each) => each.stage !== stage);
    const gate = this.#gates.get(stage)?.promise;
    if (gate) await (signal && !this.isDeaf ? Promise.race([gate, aborted(signal)]) : gate);
    if (!this.isDeaf) signal?.throwIfAborted();
    const failure = this.failures[stage];
    delete this.failures[stage];
    if (failure !== undefined) throw failure;
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

/** Wants nothing logged; what is logged is kept. */
export class SilentLogger {
  readonly messages: string[] = [];

  debug(message: string): void {
    this.messages.push(message);
  }

  info(message: string): void {
    this.messages.push(message);
  }

  warn(message: string): void {
    this.messages.push(message);
  }

  error(message: string): void {
    this.messages.push(message);
  }
}
