/** Single requests for shapes, for tests that look at each answer. */

import { strictEqual as equal } from "node:assert/strict";
import { pause } from "./server_process.ts";
import type { Message } from "./shape_follower.ts";

export interface ShapeAnswer {
  readonly status: number;
  readonly handle: string;
  readonly offset: string;
  readonly cursor: string;
  readonly text: string;
  /** Of a successful answer. */
  readonly messages: readonly Message[];
}

export type ShapeParams = Readonly<Record<string, string>>;

/** Where a reader is in a shape. */
export interface Position {
  readonly params: ShapeParams;
  readonly handle: string;
  readonly offset: string;
}

export async function requestShape(url: string, params: ShapeParams): Promise<ShapeAnswer> {
  const response = await fetch(`${url}/v1/shape?${new URLSearchParams(params)}`);
  const header = (name: string) => response.headers.get(`electric-${name}`) ?? "";
  const text = await response.text();
  return {
    status: response.status,
    handle: header("handle"),
    offset: header("offset"),
    cursor: header("cursor"),
    text,
    messages: response.status === 200 && text !== "" ? JSON.parse(text) as Message[] : [],
  };
}

/** Reads a shape to its end. */
export async function readToEnd(
  url: string,
  params: ShapeParams,
): Promise<Position & { readonly messages: readonly Message[] }> {
  const messages: Message[] = [];
  let position: ShapeParams = { offset: "-1" };
  for (;;) {
    const answer = await requestShape(url, { ...params, ...position });
    equal(answer.status, 200, answer.text);
    messages.push(...answer.messages);
    const { handle, offset } = answer;
    if (answer.messages.at(-1)?.headers.control === "up-to-date") {
      return { params, handle, offset, messages };
    }
    position = { handle, offset };
  }
}

/** A long poll from a position. */
export function poll(url: string, { params, handle, offset }: Position): Promise<ShapeAnswer> {
  return requestShape(url, { ...params, handle, offset, live: "true" });
}

/** Polls until changes or something else than success come. */
export async function pollForMore(url: string, position: Position): Promise<ShapeAnswer> {
  for (;;) {
    const answer = await poll(url, position);
    if (answer.status !== 200 || answer.messages.some(({ value }) => value)) return answer;
  }
}

/** Waits for a condition; looks often, because tests measure how long things take. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  timeoutMs = 20_000,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!await condition()) {
    if (Date.now() > deadline) throw new Error(`Still not so after ${timeoutMs} ms: ${what}`);
    await pause(20);
  }
}
