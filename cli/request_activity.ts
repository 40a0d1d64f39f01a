/** Tells of requests for shapes: they keep the connections to Postgres open. */

import type { Handler } from "../server/handler.ts";
import { matchRoute, splitTarget } from "../server/router.ts";

/** `begin` is called with each request for a shape, and what it returns when that is answered. */
export function countRequests(handler: Handler, begin: () => () => void): Handler {
  return async (request, delivery) => {
    const { kind } = matchRoute(request.method, splitTarget(request.url).path);
    if (kind !== "shape" && kind !== "deleteShape") return await handler(request, delivery);
    const end = begin();
    try {
      const response = await handler(request, delivery);
      return response.body ? endWithBody(response, end) : ended(response, end);
    } catch (error) {
      end();
      throw error;
    }
  };
}

function ended(response: Response, end: () => void): Response {
  end();
  return response;
}

/** An event stream is a request for as long as it is read. */
function endWithBody(response: Response, end: () => void): Response {
  const { body, status, statusText, headers } = response;
  if (!headers.get("content-type")?.startsWith("text/event-stream")) return ended(response, end);
  const counted = new TransformStream<Uint8Array, Uint8Array>();
  body?.pipeTo(counted.writable).then(end, end);
  return new Response(counted.readable, { status, statusText, headers });
}
