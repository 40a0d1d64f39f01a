import type { ServedShape } from "../shapes/service.ts";
import type { AdmissionKind, Permit } from "./admission.ts";
import type { Answer } from "./answer.ts";
import { type HandlerOptions, openContext, type ServerContext } from "./context.ts";
import { deleteShape } from "./delete_shape.ts";
import {
  bareAnswer,
  errorAnswer,
  notFoundAnswer,
  overloadedAnswer,
  plainErrorAnswer,
} from "./error_answers.ts";
import { isInFallback } from "./fallback.ts";
import { MESSAGE, NO, OFF, PARAM } from "./protocol.ts";
import { parseQuery, type QueryMap } from "./query.ts";
import {
  type Delivery,
  readEcho,
  type RequestEcho,
  type RouteHeaders,
  toResponse,
} from "./respond.ts";
import { isAuthorized, matchRoute, type Route, splitTarget } from "./router.ts";
import { type Exchange, serveShape } from "./serve_shape.ts";
import { healthAnswer, preflightAnswer } from "./small_routes.ts";
import { liveAnswer, readyAnswer, statusAnswer } from "./status.ts";

export type Handler = (request: Request, delivery?: Delivery) => Promise<Response> | Response;

/** The HTTP API over a `ShapeService`. Never throws and never rejects. */
export function createHandler(options: HandlerOptions): Handler {
  const context = openContext(options);
  return (request, delivery) => handleRequest(context, request, delivery);
}

export function handleRequest(
  context: ServerContext,
  request: Request,
  delivery?: Delivery,
): Promise<Response> | Response {
  const target = splitTarget(request.url);
  const route = matchRoute(request.method, target.path);
  switch (route.kind) {
    case "shape":
    case "deleteShape":
      return handleShape(context, route, request, target.query, delivery);
    case "preflight":
      return toResponse(context, preflightAnswer(request), "shape", readEcho(request));
    case "health": {
      const answer = healthAnswer(context.service.mode);
      return toResponse(context, answer, "other", readEcho(request));
    }
    case "status": {
      const answer = statusAnswer(context.status(), context.config.version);
      return toResponse(context, answer, "other", readEcho(request));
    }
    case "probeLive":
      return toResponse(context, liveAnswer(), "other", readEcho(request));
    case "probeReady": {
      const strict = parseQuery(target.query)?.get(PARAM.strict);
      const isStrict = strict !== undefined && strict !== OFF && strict !== NO;
      const answer = readyAnswer(context.status(), isStrict);
      return toResponse(context, answer, "other", readEcho(request));
    }
    case "root":
      return toResponse(context, bareAnswer(200), "other", readEcho(request));
    case "notFound":
      return toResponse(context, notFoundAnswer(), "other", readEcho(request));
  }
}

/** Decides without waiting who is let in; only what is needed later lives on in a held request. */
function handleShape(
  context: ServerContext,
  route: Route,
  request: Request,
  rawQuery: string,
  delivery: Delivery | undefined,
): Promise<Response> | Response {
  const echo = readEcho(request, delivery);
  const query = parseQuery(rawQuery);
  if (!query) return toResponse(context, bareAnswer(400), "none", echo);
  if (!isAuthorized(route, query, context.config.secret)) {
    const refusal = plainErrorAnswer(401, { message: MESSAGE.unauthorized });
    return toResponse(context, refusal, "none", echo);
  }
  const exchange: Exchange = { request, method: echo.method };
  if (route.kind === "deleteShape") {
    return respond(context, echo, deleteShape(context, exchange, query));
  }
  const kind = admissionKind(context, query);
  const permit = context.admission.acquire(kind);
  if (!permit) {
    const refusal = overloadedAnswer(kind, context.admission.limit(kind), context.random);
    return toResponse(context, refusal, shapeHeaders(context, refusal), echo);
  }
  return respond(context, echo, serveShape(context, exchange, query, permit), permit);
}

async function respond(
  context: ServerContext,
  echo: RequestEcho,
  answering: Promise<Answer>,
  permit?: Permit,
): Promise<Response> {
  let answer: Answer;
  try {
    answer = await answering;
  } catch (error) {
    answer = errorAnswer(error, echo.method, context);
  }
  if (answer.body.kind === "stream" && answer.body.isQueued && echo.delivery) {
    await context.slots.turn(echo.delivery);
  }
  const headers = shapeHeaders(context, answer);
  return toResponse(context, answer, headers, echo, () => permit?.release());
}

/** Who is put off hears nothing of a shape, but that the service may be the reason. */
function shapeHeaders({ service }: ServerContext, { status, isFallback }: Answer): RouteHeaders {
  const isMarked = isFallback ?? (status === 503 && isInFallback(service));
  return isMarked ? "fallbackShape" : "shape";
}

/** Who comes with the handle of a shape costs little (WIRE.md 6.4). */
function admissionKind({ service }: ServerContext, query: QueryMap): AdmissionKind {
  const handle = query.get(PARAM.handle);
  const shape: ServedShape | undefined = typeof handle === "string"
    ? service.byHandle(handle)
    : undefined;
  return shape ? "existing" : "initial";
}
