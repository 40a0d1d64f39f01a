/** What is asked for on the command line. */

import { parseArgs } from "node:util";

export interface Arguments {
  /** Ids of cases; `7` stands for `7a` and `7b`. All of them if undefined. */
  readonly only: readonly string[] | undefined;
  readonly isQuick: boolean;
  readonly rows: number;
  readonly jsonPath: string | undefined;
  readonly writesPage: boolean;
}

const ROWS = 2_000_000;
const ROWS_QUICK = 50_000;

/** Throws `TypeError` for what it doesn't know. */
export function parseArguments(args: readonly string[]): Arguments {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: "string" },
      quick: { type: "boolean", default: false },
      rows: { type: "string" },
      json: { type: "string" },
      write: { type: "boolean", default: false },
    },
  });
  const rows = Number(values.rows ?? (values.quick ? ROWS_QUICK : ROWS));
  if (!Number.isInteger(rows) || rows < 1) throw new TypeError(`"--rows" must be a number of rows`);
  return {
    only: values.only?.split(",").map((id) => id.trim()),
    isQuick: values.quick,
    rows,
    jsonPath: values.json,
    writesPage: values.write,
  };
}

/** The cases that are asked for, in their order. Throws `TypeError` for an id that none has. */
export function chooseCases<T extends { readonly id: string }>(
  cases: readonly T[],
  only: readonly string[] | undefined,
): readonly T[] {
  if (only === undefined) return cases;
  const isMeant = (id: string, asked: string) => id === asked || id.replace(/[a-z]$/, "") === asked;
  const unknown = only.find((asked) => !cases.some(({ id }) => isMeant(id, asked)));
  if (unknown !== undefined) throw new TypeError(`There is no case "${unknown}"`);
  return cases.filter(({ id }) => only.some((asked) => isMeant(id, asked)));
}
