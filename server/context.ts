import type { ShapeAdmin } from "../shapes/admin.ts";
import type { Logger } from "../shapes/ports.ts";
import type { ServedShape, ShapeService } from "../shapes/service.ts";
import type { DefinitionRequest } from "../shapes/service.ts";
import type { StatusReport } from "../shapes/status.ts";
import type { ReadProcess } from "./admin_status.ts";
import { Admission } from "./admission.ts";
import type { ServerConfig } from "./config.ts";
import { type DeadlineClock, Deadlines, systemClock } from "./deadlines.ts";
import { Holds } from "./hold.ts";
import { KNOWN_SPELLINGS_MAX } from "./limits.ts";
import type { HttpFigures, WriteMetrics } from "./metrics.ts";
import { OpenEvents } from "./open_events.ts";
import { RequestMeter } from "./request_meter.ts";
import { CommonHeaders } from "./respond.ts";
import { SendSlots } from "./send_slots.ts";

export interface HandlerOptions {
  readonly service: ShapeService;
  /** Asked by `/v1/status` and the readiness probe. */
  readonly status: () => StatusReport;
  /** Without it there is no `/metrics`. */
  readonly metrics?: WriteMetrics;
  /** Without them there is no `/admin/shapes` and no `/admin/status`. */
  readonly admin?: ShapeAdmin;
  readonly process?: ReadProcess;
  readonly config: ServerConfig;
  readonly logger: Logger;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
  /** A number in [0, 1). */
  readonly random?: () => number;
  /** When it fires, waiting requests are answered at once and event streams end. */
  readonly shutdown: AbortSignal;
  /** The only source of timers; the machine's by default. */
  readonly clock?: DeadlineClock;
}

/** What the requests of one server share. */
export interface ServerContext {
  readonly service: ShapeService;
  readonly status: () => StatusReport;
  readonly metrics: WriteMetrics | undefined;
  readonly admin: ShapeAdmin | undefined;
  readonly process: ReadProcess | undefined;
  readonly meter: RequestMeter;
  readonly config: ServerConfig;
  readonly logger: Logger;
  readonly now: () => number;
  readonly random: () => number;
  readonly shutdown: AbortSignal;
  readonly deadlines: Deadlines;
  readonly holds: Holds;
  readonly events: OpenEvents;
  readonly admission: Admission;
  readonly spellings: Spellings;
  readonly headers: CommonHeaders;
  readonly slots: SendSlots;
  /** A number that was not given before, also not before a restart. */
  readonly unique: () => number;
}

export function openContext(options: HandlerOptions): ServerContext {
  const { service, status, metrics, admin, process, config, logger, shutdown } = options;
  const now = options.now ?? Date.now;
  const random = options.random ?? Math.random;
  const deadlines = new Deadlines(options.clock ?? systemClock(now));
  const holds = new Holds(deadlines);
  if (shutdown.aborted) holds.shutDown();
  else shutdown.addEventListener("abort", () => holds.shutDown(), { once: true });
  return {
    service,
    status,
    metrics,
    admin,
    process,
    meter: new RequestMeter(),
    config,
    logger,
    now,
    random,
    shutdown,
    deadlines,
    holds,
    events: new OpenEvents(deadlines, random),
    admission: new Admission(config.maxConcurrent),
    spellings: new Spellings(),
    headers: new CommonHeaders(config.version, now),
    slots: new SendSlots(),
    unique: uniqueNumbers(now),
  };
}

export function httpFigures({ meter, admission, holds }: ServerContext): HttpFigures {
  return { requests: meter, admission, waiters: holds.waiters };
}

/** Microseconds since the epoch, and always more than the last time. */
function uniqueNumbers(now: () => number): () => number {
  let last = 0;
  return () => last = Math.max(last + 1, Math.floor(now() * 1000));
}

/**
 * Which texts were found to define which shape, so that a client that goes on reading its shape
 * costs no look-up in the catalog. A handle names one definition for ever (invariant I4), so what
 * was true stays true while the shape lives.
 */
export class Spellings {
  readonly #known = new WeakMap<ServedShape, Set<string>>();

  isKnown(shape: ServedShape, definition: DefinitionRequest): boolean {
    return this.#known.get(shape)?.has(spell(definition)) ?? false;
  }

  remember(shape: ServedShape, definition: DefinitionRequest): void {
    let known = this.#known.get(shape);
    if (!known) this.#known.set(shape, known = new Set());
    if (known.size < KNOWN_SPELLINGS_MAX) known.add(spell(definition));
  }
}

/** Injective: nobody can spell another's definition. */
function spell(definition: DefinitionRequest): string {
  const { table, where, params, columns, queryableColumns, keyColumns, replica, log } = definition;
  const columnLists = [columns, queryableColumns, keyColumns];
  return JSON.stringify([table, where, columnLists, replica, log, ...params]);
}
