import type { ShapeAdmin } from "../../shapes/admin.ts";
import type { ReadProcess } from "../../server/admin_status.ts";
import { SERVER_DEFAULTS, type ServerConfig } from "../../server/config.ts";
import { openContext, type ServerContext } from "../../server/context.ts";
import { handleRequest } from "../../server/handler.ts";
import type { WriteMetrics } from "../../server/metrics.ts";
import { FakeLogger, FakeService, type FakeShape } from "./fake_service.ts";
import { ManualClock } from "./manual_clock.ts";

export interface Harness {
  readonly service: FakeService;
  readonly shape: FakeShape;
  readonly logger: FakeLogger;
  readonly clock: ManualClock;
  readonly shutdown: AbortController;
  readonly context: ServerContext;
  /** Sends a request for a path with its query, such as `/v1/shape?table=items`. */
  send(target: string, init?: RequestInit): Promise<Response>;
  /** Sends a GET for the shape of `items` at an offset. */
  read(offset: string, more?: string, init?: RequestInit): Promise<Response>;
}

/** A handler over a scripted service that knows the table `items`, whose shape is `h-items`. */
export function openHarness(
  config: Partial<ServerConfig> = {},
  operator: { metrics?: WriteMetrics; admin?: ShapeAdmin; process?: ReadProcess } = {},
): Harness {
  const service = new FakeService();
  const shape = service.add("items");
  const logger = new FakeLogger();
  const clock = new ManualClock();
  const shutdown = new AbortController();
  const context = openContext({
    ...operator,
    service,
    status: () => service.report(),
    config: { ...SERVER_DEFAULTS, version: "1.2.3", ...config },
    logger,
    now: clock.now,
    random: () => 0.5,
    shutdown: shutdown.signal,
    clock,
  });
  const send = async (target: string, init?: RequestInit) =>
    await handleRequest(context, new Request(`http://test${target}`, init));
  const read = (offset: string, more = "", init?: RequestInit) => {
    const handle = offset === "-1" || offset === "now" ? "" : `&handle=${shape.handle}`;
    return send(`/v1/shape?table=items&offset=${offset}${handle}${more}`, init);
  };
  return { service, shape, logger, clock, shutdown, context, send, read };
}

/** What is held: all zero when nobody is being served (invariant I9). */
export function held({ context, shape }: Harness) {
  return {
    initial: context.admission.held("initial"),
    existing: context.admission.held("existing"),
    waiters: context.holds.waiters,
    streams: shape.openStreams,
  };
}

export const NOTHING_HELD = { initial: 0, existing: 0, waiters: 0, streams: 0 };

/** A reader of the body that an answer must have. */
export function readerOf({ body }: Response): ReadableStreamDefaultReader<Uint8Array> {
  if (!body) throw new TypeError("The response has no body");
  return body.getReader();
}

/** Headers about the shape, caching and errors; those common to all are tested on their own. */
export function told(response: Response): Record<string, string> {
  const common = /^(access-control|vary|x-request-id|electric-server)/;
  return Object.fromEntries([...response.headers].filter(([name]) => !common.test(name)));
}
