import { InvalidRequestError, UnavailableError } from "../shapes/errors.ts";
import type { DefinitionRequest, ServedShape, ShapeService } from "../shapes/service.ts";
import type { ServerContext } from "./context.ts";
import type { ShapeRequest } from "./params.ts";
import { FIELD_ERROR } from "./protocol.ts";

const RETRY_NOT_READY_SECONDS = 5;

/**
 * The shape that a request's definition stands for, made if need be. Throws what
 * `ShapeService.findOrCreate` throws, and `UnavailableError` when the service does not get ready.
 */
export async function resolveShape(
  context: ServerContext,
  request: ShapeRequest,
  signal: () => AbortSignal,
): Promise<ServedShape> {
  const { service, spellings } = context;
  if (request.isSubset) await refuseSubset(context, request.definition, signal);
  const asked = request.handle === undefined ? undefined : service.byHandle(request.handle);
  if (asked && !asked.isGone && spellings.isKnown(asked, request.definition)) return asked;
  const shape = await findOrCreate(context, request.definition, signal);
  if (!shape.isGone) spellings.remember(shape, request.definition);
  return shape;
}

async function findOrCreate(
  context: ServerContext,
  definition: DefinitionRequest,
  signal: () => AbortSignal,
): Promise<ServedShape> {
  if (!isServing(context.service)) {
    const present = await findWhileStarting(context.service, definition);
    if (present) return present;
    await untilServing(context, signal);
  }
  return await context.service.findOrCreate(definition);
}

/** What was stored is served whatever is wrong with Postgres. */
async function findWhileStarting(
  service: ShapeService,
  definition: DefinitionRequest,
): Promise<ServedShape | undefined> {
  try {
    return await service.find(definition);
  } catch (error) {
    if (error instanceof UnavailableError) return undefined;
    throw error;
  }
}

/** Throws `UnavailableError` when Postgres can't be asked in time. */
export async function untilServing(
  context: ServerContext,
  signal: () => AbortSignal,
): Promise<void> {
  const { service, config, shutdown } = context;
  if (isServing(service)) return;
  await service.whenServing(config.readyTimeoutMs, AbortSignal.any([signal(), shutdown]));
  if (isServing(service)) return;
  throw new UnavailableError(service.mode.detail, { retryAfterSeconds: RETRY_NOT_READY_SECONDS });
}

function isServing(service: ShapeService): boolean {
  return service.mode.kind !== "starting";
}

/** Mistakes in the shape's own definition come first. */
async function refuseSubset(
  context: ServerContext,
  definition: DefinitionRequest,
  signal: () => AbortSignal,
): Promise<never> {
  await untilServing(context, signal);
  await context.service.find(definition);
  throw new InvalidRequestError({ subset: [FIELD_ERROR.subsetUnsupported] });
}
