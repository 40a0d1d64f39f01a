/** What the operator may set about the HTTP side. Durations in milliseconds unless named otherwise. */
export interface ServerConfig {
  /** Wanted in the query of shape requests; undefined: nobody is asked. */
  readonly secret: string | undefined;
  readonly isDeleteAllowed: boolean;
  readonly longPollTimeoutMs: number;
  readonly sseTimeoutMs: number;
  readonly sseKeepAliveMs: number;
  /** Life of a log page in caches, and how long it may be served while being refreshed. */
  readonly maxAgeSeconds: number;
  readonly staleAgeSeconds: number;
  readonly maxConcurrent: { readonly initial: number; readonly existing: number };
  readonly version: string;
  /** How long a request waits for the service to become active. */
  readonly readyTimeoutMs: number;
  /** False: caches are told to keep nothing, instead of the lifetimes of WIRE.md 3.2. */
  readonly isCacheable: boolean;
}

export const SERVER_DEFAULTS: ServerConfig = {
  secret: undefined,
  isDeleteAllowed: false,
  longPollTimeoutMs: 20_000,
  sseTimeoutMs: 60_000,
  sseKeepAliveMs: 21_000,
  maxAgeSeconds: 60,
  staleAgeSeconds: 300,
  maxConcurrent: { initial: 300, existing: 10_000 },
  version: "0.0.0",
  readyTimeoutMs: 5_000,
  isCacheable: true,
};
