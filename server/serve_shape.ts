import { ShapeGoneError, UnavailableError } from "../shapes/errors.ts";
import { formatRequestedOffset } from "../shapes/offset.ts";
import type { ServedShape } from "../shapes/service.ts";
import type { Permit } from "./admission.ts";
import { type Answer, NO_BODY } from "./answer.ts";
import { readBodyParams } from "./body.ts";
import type { ServerContext } from "./context.ts";
import {
  invalidAnswer,
  overloadedAnswer,
  plainErrorAnswer,
  refetchAnswer,
  unavailableAnswer,
} from "./error_answers.ts";
import { isInFallback } from "./fallback.ts";
import type { ShapeView, WakeReason } from "./hold.ts";
import { FRESHEN_MAX_MS, RESOLVE_ATTEMPTS_MAX } from "./limits.ts";
import {
  chunkAnswer,
  eventsAnswer,
  idleAnswer,
  notModifiedAnswer,
  positionAnswer,
  type Reader,
} from "./log_answers.ts";
import { type Params, parseShapeRequest, type ShapeRequest } from "./params.ts";
import { planResponse, type ResponsePlan } from "./plan.ts";
import { FIELD_ERROR, HEADER, MESSAGE } from "./protocol.ts";
import { resolveShape } from "./resolve.ts";
import { ShapeEvents } from "./sse.ts";

/** Nobody reads it: the client has gone. */
const LEFT_ANSWER: Answer = { status: 499, headers: [], body: NO_BODY };

const RETRY_SOON_SECONDS = 1;

/** One request for a shape, on its way: what may wait for long holds nothing more. */
export interface Exchange {
  readonly request: Request;
  readonly method: string;
}

/** GET, HEAD and POST of a shape: in the order of WIRE.md 1.7, admission being done. */
export function serveShape(
  context: ServerContext,
  exchange: Exchange,
  query: Params,
  permit: Permit,
): Promise<Answer> {
  if (exchange.method === "POST") return servePost(context, exchange, query, permit);
  return serveParams(context, exchange, query, permit);
}

async function servePost(
  context: ServerContext,
  exchange: Exchange,
  query: Params,
  permit: Permit,
): Promise<Answer> {
  const body = await readBodyParams(exchange.request, query);
  switch (body.kind) {
    case "tooLarge":
      return plainErrorAnswer(413, { error: MESSAGE.bodyTooLarge });
    case "refused":
      return plainErrorAnswer(400, { error: body.error, details: body.details });
    case "params":
      return serveParams(context, exchange, body.params, permit);
  }
}

function serveParams(
  context: ServerContext,
  exchange: Exchange,
  params: Params,
  permit: Permit,
): Promise<Answer> {
  const parsed = parseShapeRequest(params);
  if (parsed.kind === "ok") return serveParsed(context, exchange, parsed.value, permit);
  return Promise.resolve(invalidAnswer(exchange.method, parsed.errors));
}

/** A shape may vanish at any moment: who named no handle is given the next one. */
async function serveParsed(
  context: ServerContext,
  exchange: Exchange,
  request: ShapeRequest,
  permit: Permit,
): Promise<Answer> {
  const { method } = exchange;
  for (let attempt = 1;; attempt++) {
    const shape = await resolveShape(context, request, () => exchange.request.signal);
    if (request.handle !== undefined && request.handle !== shape.handle) {
      return refetchAnswer(context, method, shape);
    }
    const answer = await serveFound(context, exchange, request, shape, permit);
    if (answer) return answer;
    if (request.handle !== undefined || attempt >= RESOLVE_ATTEMPTS_MAX) {
      return refetchAnswer(context, method, undefined);
    }
  }
}

/** Undefined when the shape is gone. */
async function serveFound(
  context: ServerContext,
  exchange: Exchange,
  request: ShapeRequest,
  shape: ServedShape,
  permit: Permit,
): Promise<Answer | undefined> {
  shape.touch(context.now());
  if (!shape.isStarted) {
    const ended = await untilStarted(shape, context, exchange.request.signal);
    if (ended !== "started") return endedEarly(ended, exchange.method);
  }
  if (request.live === "no" && isInFallback(context.service, shape)) {
    await untilFresh(shape, context, exchange.request.signal);
  }
  if (!permit.moveTo("existing")) {
    return overloadedAnswer("existing", context.admission.limit("existing"), context.random);
  }
  return answerFromLog(exchange, { context, method: exchange.method, request, shape });
}

type StartOutcome = "started" | "gone" | "left" | "shutdown";

/** Waits for the snapshot; not for longer than the client and the server do. */
function untilStarted(
  shape: ServedShape,
  { shutdown }: ServerContext,
  client: AbortSignal,
): Promise<StartOutcome> {
  const { promise, resolve, reject } = Promise.withResolvers<StartOutcome>();
  const leave = () => resolve("left");
  const stop = () => resolve("shutdown");
  if (shutdown.aborted) stop();
  client.addEventListener("abort", leave);
  shutdown.addEventListener("abort", stop);
  shape.started().then(
    () => resolve("started"),
    (error) => error instanceof ShapeGoneError ? resolve("gone") : reject(error),
  );
  return promise.finally(() => {
    client.removeEventListener("abort", leave);
    shutdown.removeEventListener("abort", stop);
  });
}

/** Who does not wait for changes is told what is so now, if that takes no longer than a moment. */
async function untilFresh(
  { handle }: ServedShape,
  { service, shutdown, deadlines, now }: ServerContext,
  client: AbortSignal,
): Promise<void> {
  const freshened = service.freshen(handle);
  if (!freshened) return;
  const { promise: over, resolve } = Promise.withResolvers<void>();
  const target = { due: resolve };
  const deadline = deadlines.add(now() + FRESHEN_MAX_MS, target);
  const leave = () => resolve();
  client.addEventListener("abort", leave);
  shutdown.addEventListener("abort", leave);
  await Promise.race([freshened, over]);
  deadlines.remove(deadline, target);
  client.removeEventListener("abort", leave);
  shutdown.removeEventListener("abort", leave);
}

function endedEarly(ended: Exclude<StartOutcome, "started">, method: string): Answer | undefined {
  if (ended === "gone") return undefined;
  return ended === "left" ? LEFT_ANSWER : shuttingDownAnswer(method);
}

function shuttingDownAnswer(method: string): Answer {
  return unavailable(method, MESSAGE.shuttingDown);
}

function unavailable(method: string, message: string): Answer {
  const error = new UnavailableError(message, { retryAfterSeconds: RETRY_SOON_SECONDS });
  return unavailableAnswer(method, error);
}

type WaitingPlan = ResponsePlan & { kind: "hold" | "awaitSnapshot" | "awaitOffset" };

/** Plans, and plans again each time the shape has changed, until there is an answer. */
async function answerFromLog(exchange: Exchange, reader: Reader): Promise<Answer | undefined> {
  const { context, request, shape } = reader;
  const { longPollTimeoutMs } = context.config;
  const startedMs = context.now();
  const input = {
    handle: shape.handle,
    offset: request.offset,
    live: request.live,
    ifNoneMatch: exchange.request.headers.get(HEADER.ifNoneMatch) ?? undefined,
  };
  const sinceText = formatRequestedOffset(request.offset);
  let ended: WakeReason | undefined;
  for (;;) {
    const view = look(reader, sinceText);
    const plan = planResponse(input, view, isInFallback(context.service, shape));
    switch (plan.kind) {
      case "hold":
      case "awaitSnapshot":
      case "awaitOffset": {
        if (ended && ended !== "changed") return endOfWait(reader, plan, ended);
        const dueMs = startedMs + longPollTimeoutMs / (plan.kind === "awaitOffset" ? 2 : 1);
        const waiter = context.holds.wait(shape, dueMs).leaveOn(exchange.request.signal);
        // After a timeout the table is asked once more: the head may just have moved.
        ended = await waiter.woken;
        break;
      }
      default:
        return answerPlan(reader, plan, view);
    }
  }
}

function look({ context, request, shape }: Reader, sinceText: string): ShapeView {
  const { offset } = request;
  if (offset.kind !== "now") return context.holds.of(shape).view(sinceText, offset);
  if (shape.isGone) return { kind: "gone" };
  return { kind: "open", head: shape.head, page: undefined, shared: {} };
}

function answerPlan(
  reader: Reader,
  plan: Exclude<ResponsePlan, WaitingPlan>,
  view: ShapeView,
): Answer | undefined {
  switch (plan.kind) {
    case "mustRefetch":
      return undefined;
    case "position":
      return positionAnswer(reader, plan.head);
    case "notModified":
      return notModifiedAnswer(reader, plan.page);
    case "chunk":
      return chunkAnswer(reader, plan.page, view.kind === "open" ? view.shared : {});
    case "events": {
      const { context, request, shape } = reader;
      if (request.offset.kind !== "at") throw new TypeError("An event stream needs an offset");
      const source = new ShapeEvents(context, shape, request.offset.offset);
      return eventsAnswer(reader, plan.page, source);
    }
  }
}

function endOfWait(reader: Reader, plan: WaitingPlan, ended: WakeReason): Answer {
  if (ended === "left") return LEFT_ANSWER;
  if (plan.kind === "hold") return idleAnswer(reader);
  if (ended === "shutdown") return shuttingDownAnswer(reader.method);
  if (plan.kind === "awaitSnapshot") return unavailable(reader.method, MESSAGE.snapshotSlow);
  // After a crash the log may be behind until the stream has caught up: no fault of the client.
  if (reader.shape.isResuming || isInFallback(reader.context.service, reader.shape)) {
    return unavailable(reader.method, MESSAGE.logBehind);
  }
  return invalidAnswer(reader.method, { offset: [FIELD_ERROR.offsetOutOfBounds] });
}
