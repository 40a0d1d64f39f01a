import { deepStrictEqual as deepEqual, throws } from "node:assert/strict";
import { FOLLOWED, formatStanding, parseStanding } from "../../shapes/standing.ts";

Deno.test("parseStanding() takes a shape of which nothing was stored for one that is followed", () => {
  deepEqual(parseStanding(undefined), FOLLOWED);
});

Deno.test("parseStanding() reads what formatStanding() wrote", () => {
  const visibility = {
    xmin: 1n,
    xmax: 2n ** 40n,
    inProgress: [5n, 2n ** 35n],
    walPosition: 2n ** 63n,
  };
  const offset = { lsn: 2n ** 63n, op: 7 };
  for (
    const standing of [
      FOLLOWED,
      { ...FOLLOWED, isFollowed: false },
      { ...FOLLOWED, frozenAt: { lsn: 0n, op: Infinity } },
      { ...FOLLOWED, visibility, reconciledTo: offset },
      { ...FOLLOWED, visibility: { ...visibility, isByPosition: true }, frozenAt: offset },
    ]
  ) deepEqual(parseStanding(formatStanding(standing)), standing);
});

Deno.test("parseStanding() throws on what formatStanding() did not write", () => {
  for (
    const text of [
      "",
      "{",
      '{"followed":true,"frozenAt":"now"}',
      '{"followed":true,"frozenAt":"x"}',
    ]
  ) {
    throws(() => parseStanding(text), SyntaxError);
  }
});
