/** From the texts of a command's flags to their values. */

import type { CommandFlag, FlagTable, FlagValues } from "./command_flags.ts";
import type { Env } from "./command_io.ts";
import type { CommandName, GivenFlags } from "./command_line.ts";
import { UsageError } from "./usage_error.ts";

/**
 * Flags go over the environment, that over the defaults; an empty variable counts as unset. Throws
 * `UsageError` that names the flag or variable.
 */
export function readFlags<T extends FlagTable>(
  topic: CommandName,
  table: T,
  given: GivenFlags,
  env: Env,
): FlagValues<T> {
  const values = Object.entries(table).map(([key, row]) => {
    try {
      const texts = given.get(row.flag) ?? readVariable(row, env);
      return [key, texts ? row.parse(texts) : row.initial];
    } catch (error) {
      const source = given.has(row.flag) ? `--${row.flag}` : row.env?.join(", ");
      throw new UsageError(`${source}: ${error instanceof Error ? error.message : error}`, topic);
    }
  });
  // Each row parsed its own values.
  return Object.fromEntries(values) as FlagValues<T>;
}

/** What must be kept secret may also stand in a file that `<ENV>_FILE` names. */
function readVariable({ env: names = [], isSecret }: CommandFlag<unknown>, env: Env) {
  for (const name of names) {
    if (env[name]) return [env[name]];
    const path = isSecret ? env[`${name}_FILE`] : undefined;
    if (path) return [Deno.readTextFileSync(path).replace(/\r?\n$/, "")];
  }
  return undefined;
}

/** The server's address: the one given, or the one that `serve` has in this environment. */
export function serverUrlOf(url: string | undefined, env: Env): string {
  const port = Number(env.ELECTRIC_PORT);
  return url ?? `http://localhost:${port > 0 && port < 65_536 ? port : 3000}`;
}
