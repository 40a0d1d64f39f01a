import type { Params } from "./params.ts";
import { MESSAGE, PARAM, SUBSET_BODY_KEYS } from "./protocol.ts";
import { REQUEST_BODY_BYTES_MAX } from "./limits.ts";

export type BodyParams =
  | { readonly kind: "params"; readonly params: Params }
  | { readonly kind: "tooLarge" }
  | { readonly kind: "refused"; readonly error: string; readonly details?: string };

/** Reads the body of a POST and lays its parameters over the query's (WIRE.md 2.8). */
export async function readBodyParams(request: Request, query: Params): Promise<BodyParams> {
  let bytes: Uint8Array | undefined;
  try {
    bytes = await readAll(request.body);
  } catch {
    return { kind: "refused", error: MESSAGE.bodyUnreadable };
  }
  return bytes ? parseBodyParams(bytes, query) : { kind: "tooLarge" };
}

/** Undefined when there is more than `REQUEST_BODY_BYTES_MAX`. */
async function readAll(body: ReadableStream<Uint8Array> | null): Promise<Uint8Array | undefined> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of body ?? []) {
    length += piece.length;
    if (length > REQUEST_BODY_BYTES_MAX) return undefined;
    pieces.push(piece);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

export function parseBodyParams(bytes: Uint8Array, query: Params): BodyParams {
  if (bytes.length === 0) return { kind: "params", params: query };
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    return { kind: "refused", error: MESSAGE.bodyNotJson, details: String(error) };
  }
  if (!isJsonObject(value)) return { kind: "refused", error: MESSAGE.bodyNotObject };
  return { kind: "params", params: mergeParams(query, value) };
}

function isJsonObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * A `subset` object is one; without it certain keys are the subset and not the shape's own, so
 * that a body's `where` never widens the shape.
 */
function mergeParams(query: Params, body: Record<string, unknown>): Params {
  const merged = new Map(query);
  const subsetKeys: readonly string[] = isJsonObject(body[PARAM.subset]) ? [] : SUBSET_BODY_KEYS;
  for (const [key, value] of Object.entries(body)) {
    if (key === PARAM.subset && isJsonObject(value)) addSubset(merged, Object.entries(value));
    else if (subsetKeys.includes(key)) addSubset(merged, [[key, value]]);
    else merged.set(key, value);
  }
  return merged;
}

function addSubset(merged: Map<string, unknown>, entries: Iterable<readonly [string, unknown]>) {
  // An empty object is a subset too: of everything.
  merged.set(PARAM.subset, true);
  for (const [key, value] of entries) merged.set(`${PARAM.subsetPrefix}${key}`, value);
}
