import assert from "node:assert/strict";
import { lookAfterNetwork, nextTurn } from "../../replication/next_turn.ts";

const TURN_MS = 3;
/** Newer runtimes look at the network by themselves at every 61st turn. */
const TURNS_MAX = 20;

function work(): void {
  for (const endMs = performance.now() + TURN_MS; performance.now() < endMs;);
}

/** Turns that workers who always have more to do take while something goes to an echo and back. */
async function turnsOfEcho(workers: number, rounds: number): Promise<number[]> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const echoing = listener.accept().then((far) => far.readable.pipeTo(far.writable));
  const near = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  let turns = 0, isOver = false;
  const working = Array.from({ length: workers }, async () => {
    for (; !isOver; turns++) {
      work();
      await nextTurn();
    }
  });
  const found: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const before = turns;
    await near.write(new Uint8Array(1));
    assert.equal(await near.read(new Uint8Array(1)), 1);
    found.push(turns - before);
  }
  isOver = true;
  near.close();
  await Promise.all([...working, echoing]);
  return found;
}

for (const workers of [1, 3]) {
  Deno.test(`nextTurn() looks after the network, whoever has more to do: ${workers}`, async () => {
    using _looked = await lookAfterNetwork();
    const turns = await turnsOfEcho(workers, 10);
    assert(turns.every((count) => count <= TURNS_MAX * workers), turns.join());
  });
}

Deno.test("nextTurn() gives up a path through the network on which nothing comes back", async () => {
  const { promise, reject } = Promise.withResolvers<void>();
  let trips = 0;
  using _looked = await lookAfterNetwork(Promise.resolve({
    roundTrip: () => (trips++, promise),
    [Symbol.dispose]: () => reject(new Error("disposed of")),
  }));
  while (trips === 0) await nextTurn();
  for (let turn = 0; turn < 20; turn++) {
    work();
    await nextTurn();
  }
  assert.equal(trips, 1);
});

Deno.test("nextTurn() goes on when the network is no longer looked after", async () => {
  const looked = await lookAfterNetwork();
  const turns = Array.from({ length: 3 }, async () => {
    for (let turn = 0; turn < 20; turn++) {
      work();
      await nextTurn();
    }
  });
  await nextTurn();
  looked[Symbol.dispose]();
  await Promise.all(turns);
  assert.equal((await turnsOfEcho(1, 1)).length, 1);
});
