/** One table that `tail` follows, by the official client. */

import { FetchError, type Offset, ShapeStream } from "@electric-sql/client";
import type { FlagValues, TAIL_FLAGS } from "../command_flags.ts";
import { redact } from "../redact.ts";
import { explainFetchError } from "../unreachable.ts";
import { messageIn, WatchedFetch, type WatchedFetchEvents } from "./watched_fetch.ts";

export type TailOptions = Omit<FlagValues<typeof TAIL_FLAGS>, "url"> & { readonly url: string };

export interface TailStreamEvents extends WatchedFetchEvents {
  /** The client waits for what is returned before it asks for more. */
  readonly onMessages: (messages: readonly unknown[]) => Promise<void>;
  /** It is over: nobody can go on from this. */
  readonly onEnd: (error: Error) => void;
}

const BACKOFF = { initialDelay: 200, maxDelay: 5000, multiplier: 2 };

/** The server was never there. */
export class UnreachableError extends Error {
  override readonly name = "UnreachableError";
}

/** Follows until the signal fires. */
export function followTable(
  table: string,
  options: TailOptions,
  events: TailStreamEvents,
  signal: AbortSignal,
): void {
  const { url } = options;
  const watched = new WatchedFetch({
    ...events,
    onFailure(cause) {
      if (watched.wasReached) events.onFailure(cause);
      else events.onEnd(new UnreachableError(explainFetchError(url, cause)));
    },
  });
  const stream = new ShapeStream({
    url: shapeUrl(table, options),
    // The flag's type let only these through.
    offset: options.since as Offset,
    handle: options.handle,
    liveSse: options.isSse,
    subscribe: options.isFollowing,
    signal,
    fetchClient: watched.fetchClient,
    backoffOptions: BACKOFF,
    onError: (error) => events.onEnd(explainStreamError(error, options)),
  });
  // Returned, so that the client waits.
  stream.subscribe((messages) => events.onMessages(messages));
}

/** Columns as they were spelled: the client would quote each. */
function shapeUrl(table: string, options: TailOptions): string {
  const url = new URL(`${options.url}/v1/shape`);
  const { where, columns, replica, secret, params } = options;
  const given = {
    table,
    where,
    columns,
    secret,
    replica: replica === "full" ? replica : undefined,
  };
  for (const [name, text] of Object.entries(given)) {
    if (text !== undefined) url.searchParams.set(name, text);
  }
  for (const { place, value } of params) url.searchParams.set(`params[${place}]`, value);
  return url.href;
}

/** In the server's words, without the request's address, which holds the secret. */
export function explainStreamError(error: Error, { url, secret }: TailOptions): Error {
  if (!(error instanceof FetchError)) return new Error(mask(redact(error.message), secret));
  const said = messageIn(error.json) ?? error.text?.slice(0, 200) ?? "nothing more";
  const hint = HINTS[error.status];
  return new Error(
    mask(`${url} answers ${error.status}: ${redact(said)}${hint ? `. ${hint}` : ""}`, secret),
  );
}

const HINTS: Readonly<Record<number, string>> = {
  401: "Pass the server's secret in ELECTRIC_SECRET or with --secret",
  404: "Is it electric-ts? Pass its address with --url",
};

function mask(text: string, secret: string | undefined): string {
  return secret ? text.replaceAll(secret, "***") : text;
}
