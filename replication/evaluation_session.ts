/** One session that evaluates conditions: statements, what they are made from, and their time limit. */

import type { EvaluationRequest } from "../shapes/ports.ts";
import { openPool, type Sql } from "./connection.ts";
import type { DatabaseUrl } from "./database_url.ts";
import {
  arrayText,
  collationsSql,
  type ColumnInput,
  columnInput,
  evaluationSql,
  failureKind,
  inTransaction,
  sessionParameters,
  type TypeRow,
  typesSql,
} from "./evaluation_sql.ts";
import { ConnectionError } from "./postgres_error.ts";
import { quoteLiteral } from "./sql_text.ts";

/** Rows from `from` to before `to`, and indexes of conditions. */
export interface Part {
  readonly from: number;
  readonly to: number;
  readonly conditions: readonly number[];
}

/** How columns are sent, and the statement for some conditions. */
interface Plan {
  readonly columns: readonly ColumnInput[];
  readonly text: string;
  isPrepared: boolean;
}

/** A connection without an answer for so long after its time limit is given up. */
const SILENCE_MS = 5_000;
const PLANS_MAX = 256;
/** Prepared statements stay in the server for as long as their connection. */
const PREPARED_MAX = 256;

export class EvaluationSession implements AsyncDisposable {
  readonly #url: DatabaseUrl;
  readonly #timeoutMs: number;
  #sql: Sql;
  #plans = new Map<string, Plan>();
  #preparedCount = 0;

  /** `timeoutMs` is what one statement may take. */
  constructor(url: DatabaseUrl, timeoutMs: number) {
    this.#url = url;
    this.#timeoutMs = timeoutMs;
    this.#sql = this.#open();
  }

  /** Names are looked up anew. */
  forget(): void {
    this.#plans.clear();
  }

  /** Evaluates a part: digits as `evaluationSql` has them. Rejects with the driver's errors. */
  async ask(request: EvaluationRequest, { from, to, conditions }: Part): Promise<string> {
    const texts = conditions.map((i) => request.conditions[i]);
    const plan = await this.#planFor(request, texts);
    const arrays = plan.columns.map((column) => arrayText(column, request.rows, from, to));
    const digits = digitsOf(await this.#send(plan, texts, arrays));
    if (digits.length !== (to - from) * conditions.length) {
      throw new TypeError(`Expected an answer for ${to - from} rows, not "${digits}"`);
    }
    return digits;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sql.end({ timeout: 1 }).catch(() => {});
  }

  async #send(
    plan: Plan,
    conditions: readonly string[],
    arrays: readonly string[],
  ): Promise<unknown> {
    if (this.#url.isPooled) {
      const text = evaluationSql(plan.columns, conditions, (i) => quoteLiteral(arrays[i]));
      const results = await this.#inTime(this.#sql.unsafe(inTransaction(text, this.#timeoutMs)));
      return results.at(-1);
    }
    if (!plan.isPrepared && this.#preparedCount < PREPARED_MAX) {
      plan.isPrepared = true;
      this.#preparedCount++;
    }
    const { text, isPrepared } = plan;
    return await this.#inTime(this.#sql.unsafe(text, [...arrays], { prepare: isPrepared }));
  }

  async #planFor(request: EvaluationRequest, texts: readonly string[]): Promise<Plan> {
    const key = JSON.stringify([request.columns, texts]);
    const known = this.#plans.get(key);
    if (known) return known;
    const columns = await this.#lookUp(request);
    const plan: Plan = {
      columns,
      text: evaluationSql(columns, texts, (i) => `$${i + 1}`),
      isPrepared: false,
    };
    const [oldest] = this.#plans.keys();
    if (this.#plans.size >= PLANS_MAX) this.#plans.delete(oldest);
    this.#plans.set(key, plan);
    return plan;
  }

  async #lookUp({ columns }: EvaluationRequest): Promise<ColumnInput[]> {
    const types = await this.#read<TypeRow>(typesSql([...new Set(columns.map((c) => c.typeOid))]));
    const collations = columns.flatMap(({ collation }) => collation ?? []);
    const found = collations.length === 0
      ? []
      : await this.#read<{ collation: string; name: string }>(collationsSql(collations));
    return columns.map((column) => {
      const type = types.find(({ oid }) => Number(oid) === column.typeOid);
      if (!type) throw missing(`Type ${column.typeOid} is gone`);
      const collation = found.find(({ collation }) => collation === column.collation)?.name;
      if (column.collation !== null && collation === undefined) {
        throw missing(`Collation "${column.collation}" is gone`);
      }
      return columnInput(column, type, collation);
    });
  }

  /** Errors are the connection's, whatever they say: every role may read these catalogs. */
  async #read<T>(text: string): Promise<readonly T[]> {
    try {
      return await this.#inTime(this.#sql.unsafe<never>(text));
    } catch (error) {
      if (failureKind(error) === "connection") throw error;
      throw new ConnectionError("unknown", "Cannot look types up", { cause: error });
    }
  }

  /** The driver waits for ever for a server that has fallen silent: then another pool is opened. */
  async #inTime<T>(query: PromiseLike<T>): Promise<T> {
    const { promise, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      reject(new ConnectionError("stalled", "Server does not answer"));
      this.#sql.end({ timeout: 0 }).catch(() => {});
      this.#sql = this.#open();
    }, this.#timeoutMs + SILENCE_MS);
    try {
      return await Promise.race([query, promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  #open(): Sql {
    const url = this.#url;
    this.#preparedCount = 0;
    this.#plans = new Map();
    const parameters = url.isPooled ? {} : sessionParameters(this.#timeoutMs);
    return openPool({ url, max: 1, parameters });
  }
}

function digitsOf(result: unknown): string {
  const row: unknown = Array.isArray(result) ? result[0] : undefined;
  const digits = typeof row === "object" && row !== null && "digits" in row ? row.digits : null;
  // No rows make NULL.
  return typeof digits === "string" ? digits : "";
}

/** As the server would say it of a name. */
function missing(message: string): Error {
  return Object.assign(new Error(message), { name: "PostgresError", code: "42704" });
}
