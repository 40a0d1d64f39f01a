import type { Logger } from "../shapes/ports.ts";
import type { Answer, AnswerBody, BodySource, HeaderPair } from "./answer.ts";
import type { Deadlines, DeadlineTarget } from "./deadlines.ts";
import { REQUEST_ID_BYTES_MAX, REQUEST_ID_BYTES_MIN, STALLED_CLIENT_MS } from "./limits.ts";
import { CORS, HEADER, SERVER_NAME, VARY, YES } from "./protocol.ts";
import type { MeteredRoute, RequestMeter } from "./request_meter.ts";

/**
 * Which headers an answer carries for its route: the CORS ones, which refusals of the secret do
 * without, and in fallback the one that says so.
 */
export type RouteHeaders = "shape" | "fallbackShape" | "other" | "none";

/** Tells when an answer has been sent; settles also when the client has gone. */
export interface Delivery {
  readonly completed: Promise<void>;
}

/** What an answer takes from its request. */
export interface RequestEcho {
  readonly method: string;
  readonly origin: string | null;
  readonly requestId: string | null;
  /** Undefined where no network is involved. */
  readonly delivery: Delivery | undefined;
  /** What it counts as. */
  readonly metered: MeteredRoute;
  /** By the monotonic clock. */
  readonly startMs: number;
}

export function readEcho(
  request: Request,
  metered: MeteredRoute,
  delivery?: Delivery,
): RequestEcho {
  const { headers, method } = request;
  const origin = headers.get(HEADER.origin), requestId = headers.get(HEADER.requestId);
  return { method, origin, requestId, delivery, metered, startMs: performance.now() };
}

/** The headers that all answers share, laid out once. */
export class CommonHeaders {
  readonly #byRoute: Readonly<Record<RouteHeaders, readonly HeaderPair[]>>;
  readonly #idPrefix: string;
  #lastId = 0;

  constructor(version: string, now: () => number) {
    const always: HeaderPair[] = [[HEADER.server, `${SERVER_NAME}/${version}`]];
    const exposed: HeaderPair = [HEADER.exposeHeaders, CORS.exposedHeaders];
    const shapeMethods: HeaderPair = [HEADER.allowMethods, CORS.shapeMethods];
    this.#byRoute = {
      none: always,
      shape: [...always, exposed, shapeMethods],
      // Exposed only where it is, so that a live server's answers are the reference's.
      fallbackShape: [
        ...always,
        [HEADER.exposeHeaders, `${CORS.exposedHeaders},${HEADER.fallbackMode}`],
        shapeMethods,
        [HEADER.fallbackMode, YES],
      ],
      other: [...always, exposed, [HEADER.allowMethods, CORS.otherMethods]],
    };
    this.#idPrefix = now().toString(36).padStart(12, "0");
  }

  /** One by one into the response's own list: measured faster than handing over a whole one. */
  write(to: Headers, answer: Answer, route: RouteHeaders, echo: RequestEcho): void {
    for (const [name, value] of answer.headers) to.append(name, value);
    for (const [name, value] of this.#byRoute[route]) to.append(name, value);
    to.append(HEADER.requestId, this.#requestId(echo.requestId));
    if (route !== "none") to.append(HEADER.allowOrigin, echo.origin ?? CORS.anyOrigin);
    if (answer.status !== 204) to.append(HEADER.vary, VARY);
  }

  #requestId(given: string | null): string {
    const isFit = given !== null && given.length >= REQUEST_ID_BYTES_MIN &&
      given.length <= REQUEST_ID_BYTES_MAX;
    if (isFit) return given;
    return `${this.#idPrefix}-${(++this.#lastId).toString(36).padStart(8, "0")}`;
  }
}

export interface ResponseSetup {
  readonly headers: CommonHeaders;
  readonly deadlines: Deadlines;
  readonly logger: Logger;
  readonly meter: RequestMeter;
}

/** Makes the response. `onEnd` is called exactly once: when the body was sent, failed or dropped. */
export function toResponse(
  setup: ResponseSetup,
  answer: Answer,
  route: RouteHeaders,
  echo: RequestEcho,
  onEnd: () => void = () => {},
): Response {
  const response = new Response(openBody(setup, answer.body, echo, onEnd), {
    status: answer.status,
  });
  setup.headers.write(response.headers, answer, route, echo);
  setup.meter.note(echo.metered, answer.status, echo.startMs, performance.now());
  if (route === "fallbackShape") setup.meter.fallbackAnswers++;
  return response;
}

function openBody(
  setup: ResponseSetup,
  body: AnswerBody,
  { method }: RequestEcho,
  onEnd: () => void,
): BodyInit | null {
  if (body.kind === "stream" && method !== "HEAD") {
    return new ReadableStream(new BodyPump(body.source, setup, onEnd), { highWaterMark: 0 });
  }
  if (body.kind === "stream") body.source.close();
  onEnd();
  return body.kind === "bytes" ? body.bytes as BodyInit : null;
}

/**
 * Hands a source's pieces to a client as it takes them. Gives up on a client that takes none for
 * `STALLED_CLIENT_MS`: its permit is worth more to others.
 */
class BodyPump implements UnderlyingDefaultSource<Uint8Array>, DeadlineTarget {
  readonly #source: BodySource;
  readonly #setup: ResponseSetup;
  readonly #onEnd: () => void;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #isPulling = false;
  #isOver = false;
  #takenMs: number;
  #deadline: number;

  constructor(source: BodySource, setup: ResponseSetup, onEnd: () => void) {
    this.#source = source;
    this.#setup = setup;
    this.#onEnd = onEnd;
    this.#takenMs = setup.deadlines.now;
    this.#deadline = setup.deadlines.add(this.#takenMs + STALLED_CLIENT_MS, this);
  }

  start(controller: ReadableStreamDefaultController<Uint8Array>): void {
    this.#controller = controller;
  }

  async pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    this.#isPulling = true;
    try {
      const piece = await this.#source.pull();
      if (this.#isOver) return;
      if (piece) controller.enqueue(piece);
      else controller.close();
      if (!piece) this.#end();
    } catch (error) {
      this.#setup.logger.error("Response body failed", { error: String(error) });
      this.#fail(error);
    } finally {
      this.#isPulling = false;
      this.#takenMs = this.#setup.deadlines.now;
    }
  }

  cancel(): void {
    this.#end();
  }

  /** Time to look whether the client still takes pieces; while a piece is being made it does. */
  due(): void {
    const { deadlines } = this.#setup;
    const stalledMs = this.#takenMs + STALLED_CLIENT_MS;
    if (!this.#isPulling && deadlines.now >= stalledMs) {
      this.#fail(new Error("The client stopped reading"));
    } else {
      const nextMs = this.#isPulling ? deadlines.now + STALLED_CLIENT_MS : stalledMs;
      this.#deadline = deadlines.add(nextMs, this);
    }
  }

  #fail(error: unknown): void {
    if (this.#isOver) return;
    this.#controller?.error(error);
    this.#end();
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#setup.deadlines.remove(this.#deadline, this);
    this.#source.close();
    this.#onEnd();
  }
}
