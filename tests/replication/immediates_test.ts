import assert from "node:assert/strict";
import { keepImmediatesCleared } from "../../replication/immediates.ts";

const ROUNDS = 20;
/** So long that the peer's bytes and the immediate are both due when the turn ends. */
const BUSY_MS = 3;

/** An immediate, and bytes from a peer whose arrival clears it: true if it ran after that. */
async function runsWhenCleared(reader: Deno.Conn, writer: Deno.Conn): Promise<boolean> {
  let isCleared = false, hasRun = false;
  const arrived = reader.read(new Uint8Array(1)).then(() => {
    clearImmediate(immediate);
    isCleared = true;
  });
  await writer.write(new Uint8Array(1));
  const immediate = setImmediate(() => hasRun ||= isCleared);
  for (const endMs = performance.now() + BUSY_MS; performance.now() < endMs;);
  await arrived;
  // Whatever was due with it has run by then.
  await new Promise<void>((resolve) => setTimeout(resolve, 1));
  return hasRun;
}

Deno.test("an immediate that was cleared does not run, by whatever end of an operation", async () => {
  keepImmediatesCleared();
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using reader = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  using writer = await listener.accept();
  for (let round = 0; round < ROUNDS; round++) {
    assert.equal(await runsWhenCleared(reader, writer), false);
  }
});

Deno.test("immediates run with their arguments, once, in their order", async () => {
  keepImmediatesCleared();
  const ran: unknown[] = [];
  await new Promise<void>((resolve) => {
    setImmediate((...args: unknown[]) => ran.push(args), "a", 1);
    const cleared = setImmediate(() => ran.push("never"));
    setImmediate(() => ran.push("then"));
    clearImmediate(cleared);
    clearImmediate(undefined);
    setImmediate(resolve);
  });
  assert.deepEqual(ran, [["a", 1], "then"]);
});
