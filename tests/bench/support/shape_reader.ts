/** What a client of the shape protocol does: reading to up to date, and then waiting for more. */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { type Answer, header, type RawClient } from "./raw_client.ts";

export interface Position {
  readonly handle: string;
  readonly offset: string;
  readonly cursor: string | undefined;
}

export interface Read {
  readonly position: Position;
  readonly body: readonly Uint8Array[];
  readonly bytes: number;
}

/** The path of a shape's requests. */
export function shapePath(params: Readonly<Record<string, string>>): string {
  return `/v1/shape?${new URLSearchParams(params)}`;
}

/** The path of the request that goes on from a position. */
export function pathAt(shape: string, position: Position, isLive = false): string {
  const { handle, offset, cursor } = position;
  const live = isLive ? `&live=true${cursor === undefined ? "" : `&cursor=${cursor}`}` : "";
  return `${shape}&handle=${handle}&offset=${offset}${live}`;
}

/** Reads a shape from its beginning until it is up to date. */
export async function readShape(client: RawClient, shape: string): Promise<Read> {
  let answer = await client.get(`${shape}&offset=-1`);
  const body = [...answer.body];
  for (;;) {
    const position = positionOf(answer);
    if (isUpToDate(answer)) {
      return { position, body, bytes: body.reduce((sum, { length }) => sum + length, 0) };
    }
    answer = await client.get(pathAt(shape, position));
    body.push(...answer.body);
  }
}

/** Waits with long polls until there is something new and all of it has been read. */
export async function readChange(
  client: RawClient,
  shape: string,
  from: Position,
): Promise<Read> {
  const body: Uint8Array[] = [];
  for (let position = from, isLive = true;;) {
    const answer = await client.get(pathAt(shape, position, isLive));
    body.push(...answer.body);
    position = positionOf(answer);
    isLive = isUpToDate(answer);
    if (isLive && position.offset !== from.offset) {
      return { position, body, bytes: body.reduce((sum, { length }) => sum + length, 0) };
    }
  }
}

/** Reads the beginning of each shape over a few connections, which makes those that are not there. */
export async function readShapes(
  clients: readonly RawClient[],
  shapes: readonly string[],
): Promise<Position[]> {
  const positions: Position[] = [];
  let next = 0;
  await Promise.all(clients.map(async (client) => {
    while (next < shapes.length) {
      const i = next++;
      positions[i] = (await readShape(client, shapes[i])).position;
    }
  }));
  return positions;
}

/** How many rows were inserted, without parsing. */
export function countInserts(body: readonly Uint8Array[]): number {
  const bytes = Buffer.concat(body), mark = '"operation":"insert"';
  let count = 0;
  for (let at = bytes.indexOf(mark); at >= 0; at = bytes.indexOf(mark, at + 1)) count++;
  return count;
}

function positionOf({ status, head }: Answer): Position {
  assert.equal(status, 200, head);
  const handle = header(head, "electric-handle"), offset = header(head, "electric-offset");
  assert(handle !== undefined && offset !== undefined, head);
  return { handle, offset, cursor: header(head, "electric-cursor") };
}

function isUpToDate({ head }: Answer): boolean {
  return header(head, "electric-up-to-date") !== undefined;
}
