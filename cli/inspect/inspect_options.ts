/** What is asked of `inspect-shape`. */

import type { DefinitionRequest } from "../../shapes/service.ts";
import { type FlagValues, INSPECT_FLAGS } from "../command_flags.ts";
import type { Env } from "../command_io.ts";
import type { Command } from "../command_line.ts";
import { readFlags, serverUrlOf } from "../read_flags.ts";
import { UsageError } from "../usage_error.ts";

export type InspectCommand = Command & { readonly kind: "inspect-shape" };

export type Wish =
  | { readonly kind: "list" }
  | { readonly kind: "handle"; readonly handle: string }
  | {
    readonly kind: "table";
    readonly definition: DefinitionRequest;
    /** Only the table was named: any shape on it will do, if there is one. */
    readonly isLoose: boolean;
  };

type Flags = FlagValues<typeof INSPECT_FLAGS>;

export interface InspectOptions extends Omit<Flags, "url"> {
  readonly wish: Wish;
  readonly url: string;
}

/** Throws `UsageError`. */
export function readInspectOptions({ given, handle }: InspectCommand, env: Env): InspectOptions {
  const flags = readFlags("inspect-shape", INSPECT_FLAGS, given, env);
  if (flags.isVerified && flags.databaseUrl === undefined) {
    throw misuse("--verify needs the database: pass --database-url, or set DATABASE_URL");
  }
  return { ...flags, wish: readWish(flags, handle), url: serverUrlOf(flags.url, env) };
}

function readWish(flags: Flags, handle: string | undefined): Wish {
  const ways = [handle !== undefined, flags.table !== undefined, flags.isList];
  if (ways.filter((isTaken) => isTaken).length !== 1) {
    throw misuse("Name one shape: by its HANDLE or by --table; or pass --list");
  }
  if (handle !== undefined) return { kind: "handle", handle };
  const { table, where, params, columns, replica } = flags;
  if (table === undefined) return { kind: "list" };
  const isLoose = params.length === 0 && [where, columns, replica].every((one) => !one);
  return {
    kind: "table",
    definition: {
      table,
      where,
      params: new Map(params.map(({ place, value }) => [place, value])),
      columns,
      queryableColumns: undefined,
      replica: replica ?? "default",
      log: "full",
    },
    isLoose,
  };
}

export function misuse(message: string): UsageError {
  return new UsageError(message, "inspect-shape");
}
