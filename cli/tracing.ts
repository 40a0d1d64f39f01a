/**
 * Spans by way of `@opentelemetry/api`, whose provider and exporter are the runtime's own
 * (`OTEL_DENO=true`). Without one nothing is loaded, and nothing is wrapped.
 */

import type { Handler } from "../server/handler.ts";
import { matchRoute, splitTarget } from "../server/router.ts";
import type { StreamEvent } from "../shapes/change.ts";
import type { TraceWork } from "../shapes/tracing.ts";

/** Where the API's parts find each other: there when the runtime has registered a provider. */
const GLOBAL = Symbol.for("opentelemetry.js.api.1");

type Accept = (events: readonly StreamEvent[]) => Promise<void> | undefined;

export interface Tracing {
  readonly work: TraceWork;
  /** The runtime's own span of each request learns which route it took. */
  handler(handler: Handler): Handler;
  accept(accept: Accept): Accept;
}

/** A compiled program has what OTEL_DENO says fixed when it is compiled. */
export function warnOfNoTracing(env: Readonly<Record<string, string>>): readonly string[] {
  const isWanted = env.OTEL_DENO === "true" || env.OTEL_DENO === "1";
  if (!isWanted || !Deno.build.standalone || Reflect.has(globalThis, GLOBAL)) return [];
  return [
    "OTEL_DENO does nothing: this program was compiled without it. Run the source, or compile with " +
    "OTEL_DENO=true",
  ];
}

/** Undefined unless somebody takes spans. */
export async function openTracing(version: string): Promise<Tracing | undefined> {
  if (!Reflect.has(globalThis, GLOBAL)) return undefined;
  const { trace, SpanStatusCode } = await import("@opentelemetry/api");
  const tracer = trace.getTracer("electric-ts", version);
  const work: TraceWork = (name, fields, work) =>
    tracer.startActiveSpan(`electric.${name}`, { attributes: { ...fields } }, async (span) => {
      try {
        return await work();
      } catch (error) {
        // Its text may hold values of rows.
        span.setStatus({ code: SpanStatusCode.ERROR });
        throw error;
      } finally {
        span.end();
      }
    });
  return {
    work,
    handler: (handler) => (request, delivery) => {
      const { kind } = matchRoute(request.method, splitTarget(request.url).path);
      trace.getActiveSpan()?.setAttribute("http.route", kind);
      return handler(request, delivery);
    },
    accept: (accept) => (events) => {
      if (!events.some(({ kind }) => kind === "commit")) return accept(events);
      const span = tracer.startSpan("electric.transactions", {
        attributes: { events: events.length },
      });
      const accepted = accept(events);
      if (!accepted) span.end();
      return accepted?.finally(() => span.end());
    },
  };
}
