import { ShapeGoneError } from "../../shapes/errors.ts";
import { compareOffsets, type Offset, SNAPSHOT_END } from "../../shapes/offset.ts";
import type { LogFields, Logger } from "../../shapes/ports.ts";
import type { Mode } from "../../shapes/mode.ts";
import type {
  DefinitionRequest,
  Page,
  PageBody,
  ServedShape,
  ShapeService,
} from "../../shapes/service.ts";
import type { ConnectionStatus, ReplicationStatus, StatusReport } from "../../shapes/status.ts";

const encoder = new TextEncoder();

/** JSON texts as page bytes carry them. */
export function itemBytes(...items: readonly unknown[]): Uint8Array {
  return encoder.encode(items.map((item) => `,${JSON.stringify(item)}`).join(""));
}

interface LogEntry {
  readonly offset: Offset;
  readonly bytes: Uint8Array;
}

/** A shape whose log a test writes. */
export class FakeShape implements ServedShape {
  readonly handle: string;
  schemaHeader = '{"id":{"type":"int4"}}';
  isGone = false;
  isStarted = true;
  isBehind = false;
  isResuming = false;
  head: Offset = SNAPSHOT_END;
  /** One entry a chunk of the snapshot. */
  snapshot: Uint8Array[] = [itemBytes({ key: "1" }, { headers: { control: "snapshot-end" } })];
  isSnapshotComplete = true;
  /** Log pages end with these offsets. */
  chunkEnds: Offset[] = [];
  touched: number[] = [];
  pagesAsked = 0;
  /** Turns every body into a stream of pieces of this size. */
  pieceBytes: number | undefined;
  /** Streams that were opened and not yet ended or given back. */
  openStreams = 0;
  streamError: Error | undefined;
  readonly start = Promise.withResolvers<void>();
  readonly #log: LogEntry[] = [];
  readonly #listeners = new Set<() => void>();

  constructor(handle: string) {
    this.handle = handle;
    this.start.promise.catch(() => {});
  }

  get watchers(): number {
    return this.#listeners.size;
  }

  started(): Promise<void> {
    return this.isStarted ? Promise.resolve() : this.start.promise;
  }

  touch(nowMs: number): void {
    this.touched.push(nowMs);
  }

  watch(listener: () => void): () => void {
    const own = () => listener();
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  append(offset: Offset, ...items: readonly unknown[]): void {
    this.#log.push({ offset, bytes: itemBytes(...items) });
    this.head = offset;
    this.notify();
  }

  notify(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  goAway(): void {
    this.isGone = true;
    this.notify();
  }

  page(since: Parameters<ServedShape["page"]>[0]): Page | undefined {
    this.pagesAsked++;
    if (this.isGone) throw new ShapeGoneError(this.handle);
    const chunk = since.kind === "before"
      ? 0
      : since.offset.lsn === 0n && since.offset.op < this.snapshot.length - 1
      ? since.offset.op + 1
      : undefined;
    if (chunk !== undefined) {
      return this.#page({ lsn: 0n, op: chunk }, this.snapshot[chunk], false);
    }
    if (!this.isSnapshotComplete) return undefined;
    return this.#logPage(since.kind === "at" ? since.offset : SNAPSHOT_END);
  }

  #logPage(since: Offset): Page {
    const end = this.chunkEnds.find((end) => compareOffsets(end, since) > 0) ?? this.head;
    const entries = this.#log.filter(({ offset }) =>
      compareOffsets(offset, since) > 0 && compareOffsets(offset, end) <= 0
    );
    return this.#page(end, concat(entries.map(({ bytes }) => bytes)), end === this.head);
  }

  #page(until: Offset, bytes: Uint8Array, isUpToDate: boolean): Page {
    const { pieceBytes } = this;
    const body: PageBody = pieceBytes === undefined
      ? { kind: "bytes", bytes }
      : { kind: "stream", open: () => this.#stream(bytes, pieceBytes) };
    return { until, isUpToDate, hasData: bytes.length > 0, body };
  }

  #stream(bytes: Uint8Array, pieceBytes: number): AsyncIterator<Uint8Array> {
    this.openStreams++;
    const pieces = this.#pieces(bytes, pieceBytes);
    return {
      next: async () => {
        const result = await pieces.next();
        if (result.done) this.openStreams--;
        return result;
      },
      return: () => {
        this.openStreams--;
        return pieces.return(undefined);
      },
    };
  }

  async *#pieces(bytes: Uint8Array, pieceBytes: number): AsyncGenerator<Uint8Array, undefined> {
    for (let at = 0; at < bytes.length; at += pieceBytes) {
      if (this.streamError && at > 0) throw this.streamError;
      await Promise.resolve();
      yield bytes.subarray(at, at + pieceBytes);
    }
  }
}

export function concat(pieces: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

export const LIVE: Mode = { kind: "live", reason: undefined, detail: "", sinceMs: 0 };

export const STARTING: Mode = {
  kind: "starting",
  reason: "postgres_unreachable",
  detail: "Timeout waiting for database connection",
  sinceMs: 0,
};

export const FALLBACK: Mode = {
  kind: "fallback",
  reason: "slot_lost",
  detail: "The replication slot was lost",
  sinceMs: 0,
};

/** The domain's port, scripted: shapes by table name. */
export class FakeService implements ShapeService {
  mode: Mode = LIVE;
  lastSeenLsn = 500n;
  readonly shapes = new Map<string, FakeShape>();
  readonly dropped: string[] = [];
  readonly definitions: DefinitionRequest[] = [];
  findError: Error | undefined;
  createError: Error | undefined;
  /** What `whenServing` does before it resolves. */
  onWait = () => {};
  connection: Partial<ConnectionStatus> = {};
  replication: Partial<ReplicationStatus> = {};
  #created = 0;

  add(table: string, shape: FakeShape = new FakeShape(`h-${table}`)): FakeShape {
    this.shapes.set(table, shape);
    return shape;
  }

  whenServing(): Promise<void> {
    this.onWait();
    return Promise.resolve();
  }

  /** What a request in fallback waits for. */
  freshening: Promise<void> | undefined;
  readonly freshened: string[] = [];

  freshen(handle: string): Promise<void> | undefined {
    this.freshened.push(handle);
    return this.freshening;
  }

  byHandle(handle: string): FakeShape | undefined {
    return [...this.shapes.values()].find((shape) => shape.handle === handle && !shape.isGone);
  }

  find(definition: DefinitionRequest): Promise<FakeShape | undefined> {
    this.definitions.push(definition);
    if (this.findError) return Promise.reject(this.findError);
    const shape = this.shapes.get(definition.table);
    return Promise.resolve(shape?.isGone ? undefined : shape);
  }

  async findOrCreate(definition: DefinitionRequest): Promise<FakeShape> {
    if (this.createError) throw this.createError;
    const found = await this.find(definition);
    return found ?? this.add(definition.table, new FakeShape(`made-${++this.#created}`));
  }

  drop(handle: string): void {
    this.dropped.push(handle);
    this.byHandle(handle)?.goAway();
  }

  /** What the status is made of: as it is right after a start that goes well. */
  report(): StatusReport {
    const total = this.shapes.size;
    return {
      mode: this.mode,
      connection: {
        state: "up",
        serverVersion: 180004,
        systemId: "7400000000000000001",
        timeline: 1,
        ...this.connection,
      },
      replication: {
        isAvailable: this.mode.kind === "live",
        receivedLsn: 11111n,
        serverLsn: 22222n,
        confirmedLsn: 33333n,
        lagBytes: 0,
        lagMs: 0,
        confirmedLagBytes: 4096,
        confirmedLagMs: 1000,
        lastProgressMs: 250,
        slot: undefined,
        publication: { name: "electric_publication_default", state: "complete" },
        ...this.replication,
      },
      shapes: { total, live: total, snapshotting: 0, reconciling: 0, behind: 0, slow: 0 },
    };
  }
}

/** Keeps what was logged. */
export class FakeLogger implements Logger {
  readonly lines: { level: string; message: string; fields?: LogFields }[] = [];
  debug = (message: string, fields?: LogFields) => this.#add("debug", message, fields);
  info = (message: string, fields?: LogFields) => this.#add("info", message, fields);
  warn = (message: string, fields?: LogFields) => this.#add("warn", message, fields);
  error = (message: string, fields?: LogFields) => this.#add("error", message, fields);

  #add(level: string, message: string, fields?: LogFields): void {
    this.lines.push({ level, message, fields });
  }
}
