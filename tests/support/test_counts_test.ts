import assert from "node:assert/strict";
import { addCounts, formatCounts, judgeRun, readCounts } from "./test_counts.ts";

Deno.test("readCounts() reads the last line of deno test, with and without colours", () => {
  assert.deepEqual(readCounts("ok | 5 passed | 0 failed (12ms)\n"), { passed: 5, failed: 0 });
  assert.deepEqual(readCounts("FAILED | 5 passed (2 steps) | 1 failed | 1 ignored (1s)"), {
    passed: 5,
    failed: 1,
  });
  assert.deepEqual(
    readCounts("\x1b[32mok\x1b[0m | 1 passed | 0 failed\nok | 2 passed | 3 failed"),
    {
      passed: 2,
      failed: 3,
    },
  );
});

Deno.test("readCounts() reads what formatCounts() writes", () => {
  const counts = { passed: 12, failed: 3 };
  assert.deepEqual(readCounts(`x\n${formatCounts(counts)}\n`), counts);
  assert.equal(readCounts("Checked 3 files"), undefined);
});

Deno.test("judgeRun() never takes a failed process for a success", () => {
  assert.deepEqual(judgeRun("Checked 3 files", true), { passed: 1, failed: 0 });
  assert.deepEqual(judgeRun("error: Type checking failed", false), { passed: 0, failed: 1 });
  assert.deepEqual(judgeRun("ok | 5 passed | 0 failed", false), { passed: 5, failed: 1 });
  assert.deepEqual(judgeRun("FAILED | 5 passed | 2 failed", false), { passed: 5, failed: 2 });
});

Deno.test("addCounts() adds", () => {
  const sum = addCounts({ passed: 1, failed: 2 }, { passed: 3, failed: 4 });
  assert.deepEqual(sum, { passed: 4, failed: 6 });
});
