/** Ports of servers that are started on this machine and may be stopped and started again. */

/** Below those that systems give to outgoing connections, which would take a port that is to be used. */
const PORT_MIN = 10_000, PORT_MAX = 32_000;

/** A port that nothing listens on just now; by chance, so that tests side by side do not meet. */
export function freePort(): number {
  for (;;) {
    const port = PORT_MIN + Math.floor(Math.random() * (PORT_MAX - PORT_MIN));
    try {
      Deno.listen({ hostname: "127.0.0.1", port }).close();
      return port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
}
