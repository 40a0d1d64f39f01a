/** The server's process ends without warning and is started again at once. */

import { until, type World } from "./world.ts";

const LISTENING_LIMIT_MS = 30_000;
const LOOK_TIMEOUT_MS = 500;

/** Resolves when the new process answers anything; a note tells how long that took. */
export async function restartServer(world: World): Promise<string> {
  const { server } = world;
  note(world, false);
  await server.kill();
  const startMs = performance.now();
  server.launch();
  await until(() => isListening(server.url), LISTENING_LIMIT_MS, "the server listens again");
  note(world, true);
  return `listening ${((performance.now() - startMs) / 1_000).toFixed(1)} s after its start`;
}

function note({ clock, serverClock }: World, isThere: boolean): void {
  for (const one of [clock, serverClock]) one.note("server", isThere, performance.now());
}

async function isListening(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/v1/health`, {
      signal: AbortSignal.timeout(LOOK_TIMEOUT_MS),
    });
    await response.body?.cancel();
    return true;
  } catch {
    return false;
  }
}
