/** One shape that a test reconciles with rows as it scripts them. */

import type { StoredIdentity } from "../../shapes/log/store.ts";
import type { Visibility } from "../../shapes/ports.ts";
import type { Fold } from "../../shapes/reconcile/fold.ts";
import { type Reconciled, reconcileShape } from "../../shapes/reconcile/reconcile.ts";
import type { DefinitionRequest } from "../../shapes/service.ts";
import type { Shape } from "../../shapes/shape.ts";
import type { Table } from "../../shapes/table.ts";
import { DrivenStore } from "./driven_store.ts";
import { begin, Changes, commit, IngestWorld, storedItems } from "./ingest_world.ts";
import type { Item } from "./log_replayer.ts";
import { LogReplayer } from "./log_replayer.ts";
import { ScriptedSource, type Texts } from "./scripted_source.ts";
import { table } from "./shape_fixture.ts";

/** The history of the scripted source. */
export const IDENTITY: StoredIdentity = {
  systemId: "1",
  timeline: 1,
  database: "test",
  shift: 0n,
  beganAt: 0n,
  timelineBeganAt: 0n,
};

export interface ReconcileRequest {
  readonly isStreamed?: boolean;
  readonly fold?: Fold;
  readonly signal?: AbortSignal;
  readonly identity?: StoredIdentity;
}

export class ReconcileWorld {
  readonly source = new ScriptedSource();
  readonly world: IngestWorld;
  readonly changes: Changes;
  readonly shape: Shape;
  readonly table: Table;
  nowMs = 0;
  #xid = 700;
  #lsn = 1000;

  constructor(
    of: Table = table(),
    changed: Partial<DefinitionRequest> = {},
    store = new DrivenStore({ isPrompt: true }),
  ) {
    this.table = of;
    this.world = new IngestWorld({ store });
    this.changes = new Changes(of);
    this.shape = this.world.shape(of, changed);
    this.world.ingest.accept([this.changes.announced]);
    this.sees(700);
  }

  get store(): DrivenStore {
    return this.world.store;
  }

  /** Snapshots to come see the transactions below `xmax`, but for some. */
  sees(xmax: number, ...inProgress: number[]): Visibility {
    return this.source.visibility = {
      xmin: BigInt(Math.min(xmax, ...inProgress)),
      xmax: BigInt(xmax),
      inProgress: inProgress.map(BigInt),
      walPosition: BigInt(this.#lsn + 8),
    };
  }

  /** The stream brings a transaction; its id. */
  brings(...changes: ReturnType<Changes["insert"]>[]): number {
    this.#lsn += 16;
    const xid = this.#xid++;
    this.world.accept(begin(this.#lsn, xid), ...changes, commit(this.#lsn + 8));
    return xid;
  }

  rows(...rows: Texts[]): void {
    this.source.rows.set(this.table.oid, rows);
  }

  reconcile(request: ReconcileRequest = {}): Promise<Reconciled> {
    const { source, shape, store, world: { ingest } } = this;
    return reconcileShape(shape, {
      source,
      ingest,
      store,
      identity: () => request.identity ?? IDENTITY,
      seed: 77,
      fold: request.fold,
      isStreamed: request.isStreamed ?? false,
      nowMs: () => this.nowMs,
      signal: request.signal ?? new AbortController().signal,
    });
  }

  items(): Promise<Item[]> {
    return storedItems(this.store, this.shape.handle);
  }

  /** What a strict client makes of the whole log. */
  async replayed(): Promise<LogReplayer> {
    const end = { headers: { control: "snapshot-end" } };
    return new LogReplayer().apply([end, ...await this.items()]);
  }
}

/** The items that reconciles made, as `<operation> <key's last part> [txids]`. */
export function found(items: readonly Item[]): string[] {
  return items.filter(({ headers: { lsn } }) => (BigInt(`${lsn}`) & 1n) === 1n)
    .map(({ key, headers: { operation, txids } }) =>
      `${operation} ${key.slice(key.indexOf("/") + 1)} [${txids ?? ""}]`
    );
}

/** A world whose log has rows 1 to 4, `n` ten times the id. */
export function filled(...rest: ConstructorParameters<typeof ReconcileWorld>): ReconcileWorld {
  const world = new ReconcileWorld(...rest);
  const { changes } = world;
  for (const id of [1, 2, 3, 4]) world.brings(changes.insert(`${id}`, `${id}0`, "x"));
  world.sees(710);
  return world;
}

/** A row of that log, as it is or otherwise. */
export const row = (
  id: number,
  n: string | null = `${id}0`,
  v: string | null = "x",
  xmin = "700",
) => ({
  id: `${id}`,
  n,
  v,
  xmin,
});
