import assert from "node:assert/strict";
import {
  cutLine,
  decideColor,
  escapeControls,
  formatJsonLine,
  painter,
} from "../../cli/terminal.ts";

Deno.test("decideColor() lets --no-color, NO_COLOR and TERM=dumb go over everything", () => {
  const decide = (env: Record<string, string>, isTerminal = true, isAllowed = true) =>
    decideColor({ env, isTerminal, isAllowed });
  assert.equal(decide({}), true);
  assert.equal(decide({}, false), false);
  assert.equal(decide({ FORCE_COLOR: "1" }, false), true);
  assert.equal(decide({ FORCE_COLOR: "0" }, false), false);
  assert.equal(decide({ NO_COLOR: "1", FORCE_COLOR: "1" }), false);
  assert.equal(decide({ TERM: "dumb", FORCE_COLOR: "1" }), false);
  assert.equal(decide({ FORCE_COLOR: "1" }, true, false), false);
});

Deno.test("painter() styles only where colours are wanted", () => {
  assert.equal(painter(true)("red", "a"), "\x1b[31ma\x1b[39m");
  assert.equal(painter(false)("red", "a"), "a");
});

Deno.test("escapeControls() leaves nothing that a terminal obeys", () => {
  assert.equal(escapeControls("\x1b[2J\x07\x9b1m\n\t\r"), "\\u001b[2J\\u0007\\u009b1m\\n\\t\\r");
  assert.equal(escapeControls("a\u202eb\u2028\u2066"), "a\\u202eb\\u2028\\u2066");
  assert.equal(escapeControls("naïve 木 🌲"), "naïve 木 🌲");
});

Deno.test("formatJsonLine() escapes what JSON.stringify() leaves, and means the same", () => {
  const value = { a: "\x7f\x9b\u2028\u202e\x1b\n" };
  const line = formatJsonLine(value);
  assert.equal(escapeControls(line), line);
  assert.deepEqual(JSON.parse(line), value);
});

Deno.test("cutLine() counts characters, not styles", () => {
  const paint = painter(true);
  assert.equal(cutLine(`${paint("red", "abc")}def`, 4), `${paint("red", "abc")}d`);
  assert.equal(cutLine(paint("red", "abc"), 1), "\x1b[31ma\x1b[39m");
  assert.equal(cutLine("🌲🌲🌲", 2), "🌲🌲");
});
