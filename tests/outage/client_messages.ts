/** What a live client's worker and the run tell each other. */

import type { BackoffOptions } from "@electric-sql/client";
import type { Oddities, RowFaults } from "./fold.ts";

export type ToClient =
  | {
    readonly kind: "start";
    readonly url: string;
    /** Name of the shape in schema.ts. */
    readonly shape: string;
    readonly backoff: BackoffOptions | undefined;
  }
  | { readonly kind: "compare"; readonly databaseUrl: string };

export interface Progress {
  readonly kind: "progress";
  /** The greatest marker that it has seen. */
  readonly seen: number;
  readonly rows: number;
  readonly refetches: number;
  /** When, in ms of the epoch. */
  readonly atMs: number;
}

export interface Comparison {
  readonly kind: "comparison";
  readonly faults: RowFaults;
  readonly oddities: Oddities;
}

export type FromClient = Progress | Comparison;
