import type { ServedShape } from "../shapes/service.ts";
import { type Answer, NO_BODY } from "./answer.ts";
import type { ServerContext } from "./context.ts";
import { invalidAnswer, messageAnswer } from "./error_answers.ts";
import { type DeleteRequest, type Params, parseDeleteRequest } from "./params.ts";
import { CACHE, CONTENT_TYPE, HEADER, MESSAGE, YES } from "./protocol.ts";
import { untilServing } from "./resolve.ts";
import type { Exchange } from "./serve_shape.ts";

/** DELETE of a shape, by its definition or its handle (WIRE.md 1.5). */
export async function deleteShape(
  context: ServerContext,
  { request, method }: Exchange,
  query: Params,
): Promise<Answer> {
  await untilServing(context, () => request.signal);
  if (!context.config.isDeleteAllowed) {
    return messageAnswer(405, method, { message: MESSAGE.deleteNotAllowed });
  }
  const parsed = parseDeleteRequest(query);
  if (parsed.kind === "invalid") return invalidAnswer(method, parsed.errors);
  const shape = await findNamed(context, parsed.value);
  if (!shape || shape.isGone) return messageAnswer(404, method, { message: MESSAGE.noShape });
  const { handle } = parsed.value;
  if (handle !== undefined && handle !== shape.handle) {
    return messageAnswer(400, method, { message: MESSAGE.handleMismatch });
  }
  context.service.drop(shape.handle);
  return {
    status: 202,
    headers: [
      [HEADER.contentType, CONTENT_TYPE.json],
      [HEADER.cacheControl, CACHE.revalidate],
      [HEADER.hasData, YES],
    ],
    body: NO_BODY,
  };
}

async function findNamed(
  { service }: ServerContext,
  { definition, handle }: DeleteRequest,
): Promise<ServedShape | undefined> {
  if (definition) return await service.find(definition);
  return handle === undefined ? undefined : service.byHandle(handle);
}
