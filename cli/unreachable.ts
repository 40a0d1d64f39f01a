/** Why a server can't be reached, in words that help. */

import { redact } from "./redact.ts";

const CAUSES: readonly (readonly [pattern: RegExp, words: string])[] = [
  [/connection refused/i, "nothing listens there"],
  [/dns error|failed to lookup|name or service not known|not known/i, "its name is not known"],
  [/certificate|tls|handshake/i, "its certificate or TLS is not accepted"],
  [/connection reset|closed before|unexpected end|broken pipe/i, "the connection was cut"],
  [/unreachable|no route/i, "there is no way to it in the network"],
];

/** A sentence for an error of `fetch()`: never with the request's query, which may hold the secret. */
export function explainFetchError(url: string, error: unknown): string {
  const cause = describeFetchError(error);
  return `Can't reach ${redact(url)}: ${cause}. Start the server, or pass its address with --url`;
}

/** The cause alone. */
export function describeFetchError(error: unknown): string {
  const text = messagesOf(error).join(": ");
  const known = CAUSES.find(([pattern]) => pattern.test(text));
  return known ? known[1] : withoutQueries(redact(text));
}

function messagesOf(error: unknown): readonly string[] {
  if (!(error instanceof Error)) return [String(error)];
  return error.cause === undefined ? [error.message] : [error.message, ...messagesOf(error.cause)];
}

function withoutQueries(text: string): string {
  return text.replace(/(https?:\/\/[^\s?]*)\?[^\s)]*/g, "$1");
}
