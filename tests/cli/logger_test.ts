import assert from "node:assert/strict";
import { limitRepeats, LineLogger, type LogSink } from "../../cli/logger.ts";

const AT_MS = Date.UTC(2025, 0, 2, 3, 4, 5, 6);

function openLog(options: Partial<LogSink> = {}) {
  const lines: string[] = [];
  const logger = new LineLogger({
    level: "debug",
    format: "json",
    isColored: false,
    nowMs: () => AT_MS,
    write: (line) => void lines.push(line),
    ...options,
  });
  return { logger, lines };
}

Deno.test("LineLogger writes one JSON object a line", () => {
  const { logger, lines } = openLog();
  logger.info("Stream\nstarted", { lsn: 12345678901234567890n, rows: 3, isNew: true, table: null });
  assert.equal(lines.length, 1);
  assert.match(lines[0], /^[^\n]+\n$/);
  assert.deepEqual(JSON.parse(lines[0]), {
    time: "2025-01-02T03:04:05.006Z",
    level: "info",
    msg: "Stream\nstarted",
    lsn: "12345678901234567890",
    rows: 3,
    isNew: true,
    table: null,
  });
});

Deno.test("LineLogger lets no field displace the message", () => {
  const { logger, lines } = openLog();
  logger.warn("true", { msg: "false", level: "false" });
  const line = JSON.parse(lines[0]);
  assert.deepEqual([line.msg, line.level, line.msg_, line.level_], [
    "true",
    "warn",
    "false",
    "false",
  ]);
});

Deno.test("LineLogger writes only what its level lets through", () => {
  const { logger, lines } = openLog({ level: "warn" });
  for (const level of ["debug", "info", "warn", "error"] as const) logger[level](level);
  assert.deepEqual(lines.map((line) => JSON.parse(line).level), ["warn", "error"]);
});

Deno.test("LineLogger.with() adds fields to every line of the child", () => {
  const { logger, lines } = openLog();
  const child = logger.with({ component: "replication" }).with({ table: "a" });
  child.info("x", { table: "b" });
  logger.info("y");
  assert.deepEqual(JSON.parse(lines[0]).component, "replication");
  assert.deepEqual(JSON.parse(lines[0]).table, "b");
  assert.equal(JSON.parse(lines[1]).component, undefined);
});

Deno.test("LineLogger writes text for people, coloured only when asked", () => {
  const plain = openLog({ format: "pretty" });
  plain.logger.warn("Slow", { component: "server", path: "/v1/shape", reason: 'a "b"' });
  assert.deepEqual(plain.lines, [
    '03:04:05.006 warn  Slow  component=server path=/v1/shape reason="a \\"b\\""\n',
  ]);
  const colored = openLog({ format: "pretty", isColored: true });
  colored.logger.warn("Slow");
  assert(colored.lines[0].includes("\x1b["));
});

Deno.test("LineLogger masks passwords and secrets, in either format", () => {
  for (const format of ["json", "pretty"] as const) {
    const { logger, lines } = openLog({ format });
    logger.error("Can't reach postgresql://app:hush@db/x", {
      url: "http://h/v1/shape?table=a&secret=hush&offset=-1",
      api_secret: "hush",
      dsn: "host=db password=hush",
    });
    assert(!lines[0].includes("hush"), lines[0]);
    assert(lines[0].includes("postgresql://app:***@db/x") && lines[0].includes("offset=-1"));
  }
});

Deno.test("limitRepeats() holds back what comes again within the interval, and says how often", () => {
  const { logger, lines } = openLog();
  let nowMs = 0;
  const limited = limitRepeats(logger, { intervalMs: 1000, nowMs: () => nowMs });
  for (let i = 0; i < 5; i++) limited.warn("Refused", { i });
  limited.info("Refused");
  limited.warn("Other");
  nowMs = 1000;
  limited.warn("Refused", { i: 5 });
  nowMs = 2000;
  limited.warn("Refused", { i: 6 });
  const seen = lines.map((line) => JSON.parse(line)).map(({ level, msg, i, repeated }) => [
    level,
    msg,
    i,
    repeated,
  ]);
  assert.deepEqual(seen, [
    ["warn", "Refused", 0, undefined],
    ["info", "Refused", undefined, undefined],
    ["warn", "Other", undefined, undefined],
    ["warn", "Refused", 5, 4],
    ["warn", "Refused", 6, undefined],
  ]);
});

Deno.test("limitRepeats() remembers a bounded number of messages", () => {
  const { logger, lines } = openLog();
  const limited = limitRepeats(logger, { intervalMs: 1000, nowMs: () => 0 });
  for (let i = 0; i < 2500; i++) limited.warn(`Message ${i}`);
  limited.warn("Message 2499");
  limited.warn("Message 0");
  // The last one is still known, the first one was forgotten.
  assert.equal(lines.length, 2501);
});
