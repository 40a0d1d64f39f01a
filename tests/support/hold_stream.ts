/** An instance in a process of its own, to be killed: `hold_stream.ts URL STREAM_ID`. */

import { start, until } from "./health_world.ts";

const [url, streamId] = Deno.args;
const running = start({ url, streamId });
await until(running, "live");
await Deno.stdout.write(new TextEncoder().encode("live\n"));
await new Promise(() => {});
