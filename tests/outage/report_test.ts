import assert from "node:assert/strict";
import { type CaseFigures, judge } from "./figures.ts";
import { mergeTables, replaceBetween } from "./page.ts";
import { formatCase, formatReference, formatShare, formatTable } from "./report.ts";

const REQUIREMENTS = { intervalS: 2 };
const WHOLE = { answered: 20, asked: 20 };

function figures(changed: Partial<CaseFigures> = {}): CaseFigures {
  return {
    id: "3",
    title: "slot dropped",
    causeS: 0.1,
    catchUp: WHOLE,
    newClient: WHOLE,
    newShape: WHOLE,
    withoutPostgres: { answered: 0, asked: 0 },
    failures: {},
    staleLiveS: 2.5,
    staleAnyLiveS: 2.5,
    staleNewS: 0.4,
    recoveryS: 1.9,
    isStatusMissing: false,
    freshS: 0.2,
    lost: 0,
    duplicated: 0,
    sentBack: 0,
    statuses: ["-0.5 live"],
    notes: [],
    ...changed,
  };
}

Deno.test("judge() passes what meets every requirement, just so", () => {
  assert.deepEqual(judge(figures(), REQUIREMENTS), []);
  const onTheEdge = { staleLiveS: 3, staleNewS: 3, recoveryS: 2, staleAnyLiveS: 60 };
  assert.deepEqual(judge(figures(onTheEdge), REQUIREMENTS), []);
});

Deno.test("judge() names each requirement that is not met", () => {
  const cases: readonly [Partial<CaseFigures>, string][] = [
    [{ catchUp: { answered: 19, asked: 20 } }, "1 of 20 catch-up requests unanswered"],
    [{ newClient: { answered: 0, asked: 2 } }, "2 of 2 new client requests unanswered"],
    [{ newShape: { answered: 1, asked: 2 } }, "1 of 2 new shape requests unanswered"],
    [{ staleLiveS: 3.1 }, "live 3.1 s stale"],
    [{ staleNewS: 3.1 }, "new client 3.1 s stale"],
    [{ recoveryS: 2.1 }, "live again after 2.1 s"],
    [{ recoveryS: undefined }, "not live again"],
    [{ freshS: undefined }, "clients not fresh again"],
    [{ lost: 3 }, "3 rows lost"],
    [{ duplicated: 2 }, "2 rows duplicated"],
    [{ sentBack: 5 }, "5 clients sent back"],
  ];
  for (const [changed, expected] of cases) {
    assert.deepEqual(judge(figures(changed), REQUIREMENTS), [expected]);
  }
});

Deno.test("judge() demands that new clients were seen and shapes were asked for", () => {
  assert.deepEqual(judge(figures({ staleNewS: NaN }), REQUIREMENTS), ["no new client was seen"]);
  const none = { answered: 0, asked: 0 };
  assert.deepEqual(judge(figures({ catchUp: none }), REQUIREMENTS), [
    "no catch-up request was sent",
  ]);
});

Deno.test("formatShare() never rounds up to all", () => {
  assert.equal(formatShare({ answered: 999, asked: 1000 }), "99 %");
  assert.equal(formatShare({ answered: 7, asked: 7 }), "100 %");
  assert.equal(formatShare({ answered: 0, asked: 0 }), "-");
});

Deno.test("formatTable() shows a case in a row, with its verdict", () => {
  const rows = [
    figures(),
    figures({ staleAnyLiveS: 40, recoveryS: undefined, withoutPostgres: WHOLE }),
    figures({ isStatusMissing: true, staleNewS: NaN }),
  ];
  assert.deepEqual(formatTable(rows, REQUIREMENTS).split("\n").slice(2), [
    "| 3. slot dropped | 0.1 | 100 % / 100 % / 100 % | - | 2.5 / 0.4 | 1.9 | 0.2 | 0 / 0 | 0 | passed |",
    "| 3. slot dropped | 0.1 | 100 % / 100 % / 100 % | 100 % | 2.5 (40.0) / 0.4 | never | 0.2 | 0 / 0 | 0 | not live again |",
    "| 3. slot dropped | 0.1 | 100 % / 100 % / 100 % | - | 2.5 / - | (1.9) | 0.2 | 0 / 0 | 0 | no new client was seen |",
  ]);
});

Deno.test("formatCase() tells failures, status and notes", () => {
  const told = formatCase(figures({ failures: { "409": 2 }, notes: ["38 commits undone"] }), ["x"]);
  assert.match(told, /^3\. slot dropped: x\n/);
  assert.match(told, /\n {3}failures: 409×2\n {3}status: -0\.5 live\n {3}note: 38 commits undone$/);
});

Deno.test("formatReference() has as many cells in each row as in its head", () => {
  const cells = formatReference().split("\n").map((row) => row.split(" | ").length);
  assert.equal(new Set(cells).size, 1);
  assert(cells.length > 10);
});

Deno.test("replaceBetween() changes what lies between the marks only", () => {
  const page = "a\n<!-- t -->\nold\n<!-- /t -->\nb";
  assert.equal(replaceBetween(page, "t", "new"), "a\n<!-- t -->\n\nnew\n\n<!-- /t -->\nb");
  assert.throws(() => replaceBetween(page, "u", "new"), SyntaxError);
});

Deno.test("mergeTables() keeps the rows of cases that were not run, in order", () => {
  const old =
    "| case      | s |\n| --- | --- |\n| 1. a       | 1 |\n| 7a. b | 2 |\n| 99. gone | 3 |";
  const now = "| case | s |\n| --- | --- |\n| 12. d | 5 |\n| 7a. b | 4 |";
  assert.equal(
    mergeTables(old, now, ["1", "2", "7a", "12"]),
    "| case | s |\n| --- | --- |\n| 1. a       | 1 |\n| 7a. b | 4 |\n| 12. d | 5 |",
  );
});
