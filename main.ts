/** The program: hands the arguments and the environment to cli/ and exits with its code. */

import { run } from "./cli/run.ts";

Deno.exit(await run(Deno.args, Deno.env.toObject()));
