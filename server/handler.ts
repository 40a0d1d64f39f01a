import type { ServedShape } from "../shapes/service.ts";
import { adminStatusAnswer } from "./admin_status.ts";
import { shapeDetailAnswer, shapesAnswer } from "./admin.ts";
import type { AdmissionKind, Permit } from "./admission.ts";
import type { Answer } from "./answer.ts";
import { type HandlerOptions, httpFigures, openContext, type ServerContext } from "./context.ts";
import { deleteShape } from "./delete_shape.ts";
import {
  bareAnswer,
  errorAnswer,
  notFoundAnswer,
  overloadedAnswer,
  plainErrorAnswer,
} from "./error_answers.ts";
import { isInFallback } from "./fallback.ts";
import { metricsAnswer } from "./metrics.ts";
import { MESSAGE, NO, OFF, PARAM, YES } from "./protocol.ts";
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
  if (route.kind === "shape" || route.kind === "deleteShape") {
    return handleShape(context, route, request, target.query, delivery);
  }
  const echo = readEcho(request, route.kind);
  switch (route.kind) {
    case "preflight":
      return toResponse(context, preflightAnswer(request), "shape", echo);
    case "metrics":
    case "adminStatus":
    case "adminShapes":
    case "adminShape":
      return handleOperator(context, route, target.query, echo);
    default:
      return toResponse(context, answerProbe(context, route.kind, target.query), "other", echo);
  }
}

type ProbeKind = Exclude<
  Route["kind"],
  "shape" | "deleteShape" | "preflight" | OperatorRoute["kind"]
>;

/** What needs no waiting and no secret. */
function answerProbe(context: ServerContext, kind: ProbeKind, rawQuery: string): Answer {
  switch (kind) {
    case "health":
      return healthAnswer(context.service.mode);
    case "status":
      return statusAnswer(context.status(), context.config.version);
    case "probeLive":
      return liveAnswer();
    case "probeReady": {
      const strict = parseQuery(rawQuery)?.get(PARAM.strict);
      const isStrict = strict !== undefined && strict !== OFF && strict !== NO;
      return readyAnswer(context.status(), isStrict);
    }
    case "root":
      return bareAnswer(200);
    case "notFound":
      return notFoundAnswer();
  }
}

type OperatorRoute = Route & { kind: "metrics" | "adminStatus" | "adminShapes" | "adminShape" };

async function handleOperator(
  context: ServerContext,
  route: OperatorRoute,
  rawQuery: string,
  echo: RequestEcho,
): Promise<Response> {
  const query = parseQuery(rawQuery);
  if (!query) return toResponse(context, bareAnswer(400), "none", echo);
  if (!isAuthorized(route, query, context.config.secret)) return refuse(context, echo);
  let answer: Answer;
  try {
    answer = await answerOperator(context, route, query);
  } catch (error) {
    answer = errorAnswer(error, echo.method, context);
  }
  return toResponse(context, answer, "other", echo);
}

function answerOperator(
  context: ServerContext,
  route: OperatorRoute,
  query: QueryMap,
): Answer | Promise<Answer> {
  const { metrics, admin, process, service, holds } = context;
  switch (route.kind) {
    case "metrics":
      return metrics ? metricsAnswer(metrics, httpFigures(context)) : notFoundAnswer();
    case "adminStatus": {
      const uptimeMs = performance.now();
      return process
        ? adminStatusAnswer(process, context.status(), httpFigures(context), uptimeMs)
        : notFoundAnswer();
    }
    case "adminShapes":
      return admin ? shapesAnswer(admin, service, holds, query) : notFoundAnswer();
    case "adminShape":
      return admin ? shapeDetailAnswer(admin, holds, route.handle) : notFoundAnswer();
  }
}

function refuse(context: ServerContext, echo: RequestEcho): Response {
  const refusal = plainErrorAnswer(401, { message: MESSAGE.unauthorized });
  return toResponse(context, refusal, "none", echo);
}

/** Decides without waiting who is let in; only what is needed later lives on in a held request. */
function handleShape(
  context: ServerContext,
  route: Route,
  request: Request,
  rawQuery: string,
  delivery: Delivery | undefined,
): Promise<Response> | Response {
  const query = parseQuery(rawQuery);
  const isLive = query?.get(PARAM.live) === YES && route.kind === "shape";
  const echo = readEcho(request, isLive ? "shapeLive" : route.kind, delivery);
  if (!query) return toResponse(context, bareAnswer(400), "none", echo);
  if (!isAuthorized(route, query, context.config.secret)) return refuse(context, echo);
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
