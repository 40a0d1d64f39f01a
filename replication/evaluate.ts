/** Has Postgres evaluate conditions for rows of the stream: one round trip for all of them. */

import {
  type Evaluation,
  type EvaluationFailure,
  type EvaluationRequest,
  IS_ERROR,
  IS_FALSE,
  IS_TRUE,
  IS_UNKNOWN,
  type Logger,
} from "../shapes/ports.ts";
import type { DatabaseUrl } from "./database_url.ts";
import { EvaluationSession, type Part } from "./evaluation_session.ts";
import { failureKind, sqlState } from "./evaluation_sql.ts";
import { ConnectionError } from "./postgres_error.ts";
import { delay } from "./setup.ts";

export interface EvaluatorOptions {
  /** Straight to the database, or with `pgbouncer=true`. */
  readonly url: DatabaseUrl;
  readonly logger: Logger;
  /** What one statement may take. */
  readonly statementTimeoutMs?: number;
}

const STATEMENT_TIMEOUT_MS = 5_000;
/** A row whose evaluation is cancelled so often takes too long. */
const CANCELLED_MAX = 3;
const RETRY_MAX_MS = 5_000;

/** One request on its way. */
interface Work {
  readonly request: EvaluationRequest;
  readonly signal: AbortSignal;
  readonly truths: Uint8Array;
  readonly failures: EvaluationFailure[];
}

/** `Source.evaluate` on a connection of its own. May be used by many callers at once. */
export class Evaluator implements AsyncDisposable {
  readonly #options: EvaluatorOptions;
  readonly #closed = new AbortController();
  readonly #session: EvaluationSession;
  #isInterrupted = false;

  constructor(options: EvaluatorOptions) {
    this.#options = options;
    const timeoutMs = options.statementTimeoutMs ?? STATEMENT_TIMEOUT_MS;
    this.#session = new EvaluationSession(options.url, timeoutMs);
  }

  /**
   * See `Source.evaluate`. What is wrong with some rows is found by halving, so that a row that
   * raises an error costs about twenty statements in a thousand rows.
   */
  async evaluate(request: EvaluationRequest, signal: AbortSignal): Promise<Evaluation> {
    const { rows, conditions } = request;
    const work: Work = {
      request,
      signal: AbortSignal.any([signal, this.#closed.signal]),
      truths: new Uint8Array(rows.length * conditions.length),
      failures: [],
    };
    const all = conditions.map((_, i) => i);
    if (rows.length === 0) return work;
    await unlessAborted(this.#solve(work, { from: 0, to: rows.length, conditions: all }), work);
    return work;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort(new ConnectionError("closed", "Evaluation was ended"));
    await this.#session[Symbol.asyncDispose]();
  }

  async #solve(work: Work, part: Part): Promise<void> {
    const failed = await this.#attempt(work, part);
    if (failed === undefined) return;
    const { from, to, conditions } = part;
    if (conditions.length > 1 && (failed.isWhole || to - from === 1)) {
      for (const condition of conditions) {
        await this.#solve(work, { from, to, conditions: [condition] });
      }
    } else if (to - from > 1 && !failed.isWhole) {
      const middle = (from + to) >> 1;
      await this.#solve(work, { from, to: middle, conditions });
      await this.#solve(work, { from: middle, to, conditions });
    } else markFailed(work, part, failed.code);
  }

  /** Evaluates a part; undefined when that is done. `isWhole`: no row of it can be evaluated. */
  async #attempt(work: Work, part: Part): Promise<{ code: string; isWhole: boolean } | undefined> {
    let cancelled = 0, isFresh = false;
    for (let failures = 0;; failures++) {
      work.signal.throwIfAborted();
      try {
        await this.#ask(work, part);
        return this.#noteAnswer();
      } catch (error) {
        work.signal.throwIfAborted();
        const code = sqlState(error);
        switch (failureKind(error)) {
          case "ours":
            throw error;
          case "rows":
            return { code, isWhole: false };
          case "stale":
            if (isFresh) return { code, isWhole: await this.#isRefused(work, part) };
            isFresh = true;
            this.#session.forget();
            break;
          case "cancelled":
            if (part.to - part.from > 1 || ++cancelled === CANCELLED_MAX) {
              return { code, isWhole: false };
            }
            break;
          case "connection":
            await this.#backOff(error, failures, work.signal);
        }
      }
    }
  }

  /** Whether the statement fails by itself, without any row. */
  async #isRefused(work: Work, part: Part): Promise<boolean> {
    try {
      await this.#ask(work, { ...part, to: part.from });
      return false;
    } catch (error) {
      return failureKind(error) === "stale";
    }
  }

  async #ask(work: Work, part: Part): Promise<void> {
    const digits = await this.#session.ask(work.request, part);
    const all = work.request.conditions.length;
    let at = 0;
    for (let row = part.from; row < part.to; row++) {
      for (const condition of part.conditions) {
        work.truths[row * all + condition] = TRUTHS[digits.charCodeAt(at++) - ZERO];
      }
    }
  }

  async #backOff(error: unknown, failures: number, signal: AbortSignal): Promise<void> {
    if (!this.#isInterrupted) {
      this.#isInterrupted = true;
      this.#options.logger.warn("Changes wait until Postgres can evaluate conditions", {
        code: sqlState(error),
      });
    }
    await delay(Math.min(RETRY_MAX_MS, 50 * 2 ** failures), signal).catch(() => {});
  }

  #noteAnswer(): undefined {
    if (!this.#isInterrupted) return;
    this.#isInterrupted = false;
    this.#options.logger.info("Postgres evaluates conditions again");
  }
}

/** Settles at once when the signal fires, though an answer may still be on its way. */
async function unlessAborted(solved: Promise<void>, { signal }: Work): Promise<void> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    await Promise.race([solved, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** By the digit that stands for it. */
const TRUTHS = [IS_FALSE, IS_TRUE, IS_UNKNOWN];
const ZERO = "0".charCodeAt(0);

function markFailed({ request, truths, failures }: Work, part: Part, code: string): void {
  const { from, to, conditions } = part;
  for (const condition of conditions) {
    for (let row = from; row < to; row++) {
      truths[row * request.conditions.length + condition] = IS_ERROR;
    }
    const known = failures.findIndex((each) => each.condition === condition && each.code === code);
    const rows = to - from + (known < 0 ? 0 : failures[known].rows);
    const failure = { condition, code, rows };
    if (known < 0) failures.push(failure);
    else failures[known] = failure;
  }
}
