/** Requests for the table `items` through nginx, which says of each answer where it is from. */

import { strictEqual as equal } from "node:assert/strict";

/** Enough to tell one request for all from one request for each. */
export const CLIENTS = 50;
const MARK = "electric-fallback-mode";

export interface Seen {
  readonly status: number;
  readonly cache: string;
  readonly isMarked: boolean;
  readonly offset: string;
  readonly handle: string;
  readonly cursor: string;
  readonly text: string;
}

export async function ask(url: string, query: string, headers: HeadersInit = {}): Promise<Seen> {
  const response = await fetch(`${url}/v1/shape?${query}`, { headers });
  const header = (name: string) => response.headers.get(name) ?? "";
  return {
    status: response.status,
    cache: header("x-cache"),
    isMarked: header(MARK) === "true",
    offset: header("electric-offset"),
    handle: header("electric-handle"),
    cursor: header("electric-cursor"),
    text: await response.text(),
  };
}

export function askAll(url: string, query: string): Promise<Seen[]> {
  return Promise.all(Array.from({ length: CLIENTS }, () => ask(url, query)));
}

/** How many of the answers nginx had to fetch. */
export function fetched(answers: readonly Seen[]): number {
  return answers.filter(({ cache }) => cache !== "HIT").length;
}

/** Follows the shape as clients do, from an answer on, until an item has come; all answers since. */
export async function follow(url: string, last: string, from?: Seen): Promise<Seen[]> {
  const seen: Seen[] = [];
  for (let query = nextQuery(from);; query = nextQuery(seen.at(-1))) {
    const answer = await ask(url, query);
    seen.push(answer);
    equal(answer.status, 200, answer.text);
    if (answer.text.includes(last)) return seen;
  }
}

function nextQuery(answer: Seen | undefined): string {
  if (!answer) return "table=items&offset=-1";
  const query = `table=items&handle=${answer.handle}&offset=${answer.offset}`;
  if (!answer.text.includes('"up-to-date"')) return query;
  return `${query}&live=true${answer.cursor ? `&cursor=${answer.cursor}` : ""}`;
}
