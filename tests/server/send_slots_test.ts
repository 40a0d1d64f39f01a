import { strictEqual as equal } from "node:assert/strict";
import { SendSlots } from "../../server/send_slots.ts";

function delivery() {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  return { completed: promise, resolve, reject };
}

/** Notes in `begun` when the turn comes. */
function take(slots: SendSlots, name: string, begun: string[]) {
  const answer = delivery();
  const turn = slots.turn(answer);
  if (turn === undefined) begun.push(name);
  return { ...answer, turn: turn?.then(() => begun.push(name)) };
}

Deno.test("SendSlots lets the next one begin when an answer has been sent", async () => {
  const slots = new SendSlots({ count: 2, patienceMs: 1e9 });
  const begun: string[] = [];
  const [a, b, c, d] = ["a", "b", "c", "d"].map((name) => take(slots, name, begun));
  equal(begun.join(), "a,b");
  b.resolve();
  await c.turn;
  equal(begun.join(), "a,b,c");
  a.reject(new Error("The client has gone"));
  await d.turn;
  equal(begun.join(), "a,b,c,d");
  c.resolve();
  d.resolve();
  await Promise.all([c.completed, d.completed]);
  equal(slots.turn(delivery()), undefined);
});

Deno.test("SendSlots gives the slot of a slow client to the next", async () => {
  let nowMs = 0;
  const slots = new SendSlots({ count: 1, patienceMs: 1, now: () => nowMs });
  const begun: string[] = [];
  take(slots, "slow", begun);
  const next = take(slots, "next", begun);
  nowMs = 5;
  await next.turn;
  equal(begun.join(), "slow,next");
  next.resolve();
});

Deno.test("SendSlots forgets an answer whose client went while it was waiting", async () => {
  const slots = new SendSlots({ count: 1, patienceMs: 1e9 });
  const begun: string[] = [];
  const first = take(slots, "first", begun);
  const gone = take(slots, "gone", begun);
  const last = take(slots, "last", begun);
  gone.reject(new Error("The client has gone"));
  await gone.turn;
  first.resolve();
  await last.turn;
  equal(begun.join(), "first,gone,last");
  const another = slots.turn(delivery());
  equal(another === undefined, false);
  last.resolve();
  await another;
});
