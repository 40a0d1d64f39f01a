import assert from "node:assert/strict";
import {
  boolean,
  bytes,
  databaseUrl,
  durationMs,
  integer,
  oneOf,
  optionalDurationMs,
  requestLimits,
  streamId,
  type ValueType,
} from "../../cli/option_values.ts";

interface Case<T> {
  readonly type: ValueType<T>;
  readonly good: readonly (readonly [text: string, value: T])[];
  readonly bad: readonly (readonly [text: string, message: RegExp])[];
}

function testType<T>(name: string, { type, good, bad }: Case<T>): void {
  Deno.test(`${name} takes what the grammar allows`, () => {
    for (const [text, value] of good) assert.deepEqual(type.parse(text), value, text);
  });
  Deno.test(`${name} refuses the rest and says why`, () => {
    for (const [text, message] of bad) assert.throws(() => type.parse(text), message, text);
  });
  Deno.test(`${name} reads back what it formats`, () => {
    for (const [, value] of good) assert.deepEqual(type.parse(type.format(value)), value);
  });
}

testType("boolean", {
  type: boolean,
  good: [["true", true], ["1", true], ["YES", true], ["false", false], ["0", false], [
    " off ",
    false,
  ]],
  bad: [["", /Expected "true" or "false", got ""/], ["nope", /got "nope"/]],
});

testType("integer()", {
  type: integer(1, 65535),
  good: [["1", 1], [" 65535 ", 65535], ["+7", 7]],
  bad: [
    ["0", /from 1 to 65535, got "0"/],
    ["65536", /from 1 to 65535/],
    ["1.5", /whole number, got "1.5"/],
    ["1e3", /whole number/],
    ["tcp://10.0.0.1:3000", /whole number/],
    ["", /whole number/],
  ],
});

testType("durationMs", {
  type: durationMs,
  good: [
    ["20000", 20_000],
    ["5ms", 5],
    ["5 msec", 5],
    ["20s", 20_000],
    ["1.5sec", 1500],
    ["2m", 120_000],
    ["2 min", 120_000],
  ],
  bad: [["", /such as "20m"/], ["-1", /such as/], ["0", /above zero/], ["1h", /Unknown unit "h"/]],
});

testType("bytes", {
  type: bytes,
  good: [
    ["10485760", 10_485_760],
    ["1KB", 1000],
    ["1KiB", 1024],
    ["2MB", 2_000_000],
    ["1.5 MiB", 1_572_864],
    ["1GB", 1e9],
    ["1GiB", 1024 ** 3],
  ],
  bad: [["1kb", /Unknown unit "kb" in "1kb": expected one of KB, KiB/], ["MB", /Expected a size/]],
});

testType("oneOf()", {
  type: oneOf(["error", "warn"], { warning: "warn" }),
  good: [["error", "error"], ["WARN", "warn"], ["warning", "warn"]],
  bad: [["loud", /Expected one of "error", "warn", got "loud"/]],
});

testType("streamId", {
  type: streamId,
  good: [["default", "default"], ["Mixed_1", "mixed_1"], ["x".repeat(42), "x".repeat(42)]],
  bad: [
    ["", /letters, digits and underscores/],
    ["a-b", /got "a-b"/],
    ["a; DROP TABLE t", /letters/],
    ["x".repeat(43), /at most 42 characters/],
  ],
});

testType("requestLimits", {
  type: requestLimits,
  good: [['{"initial":300,"existing":10000}', { initial: 300, existing: 10_000 }]],
  bad: [
    ["300", /Expected JSON such as/],
    ["{", /Expected JSON such as/],
    ['{"initial":300}', /Expected "existing" to be a whole number above zero, got nothing/],
    ['{"initial":0,"existing":1}', /"initial".*got 0/],
    ['{"initial":"1","existing":1}', /"initial".*got "1"/],
  ],
});

testType("databaseUrl", {
  type: databaseUrl,
  good: [
    ["postgresql://u:p@localhost:5432/db", "postgresql://u:p@localhost:5432/db"],
    ["postgres://u@h/db?sslmode=require", "postgres://u@h/db?sslmode=require"],
  ],
  bad: [
    ["mysql://u@h/db", /must look like/],
    ["postgresql://u@h/db?replication=database", /"replication" is not supported/],
    ["postgresql://u@h/db?sslmode=yesplease", /sslmode/],
  ],
});

Deno.test("databaseUrl never quotes the URL: it may hold a password", () => {
  for (const text of ["mysql://u:hidden@h", "postgresql://u:hidden@h/d?sslmode=nope"]) {
    assert.throws(() => databaseUrl.parse(text), (error) => !String(error).includes("hidden"));
  }
});

Deno.test("optionalDurationMs() reads 0 as never and refuses what is too short", () => {
  const type = optionalDurationMs(30_000);
  assert.equal(type.parse("0"), 0);
  assert.equal(type.parse("30s"), 30_000);
  assert.equal(type.parse("300000"), 300_000);
  assert.throws(() => type.parse("29s"), /Expected 0 or at least 30s, got "29s"/);
  assert.throws(() => type.parse("soon"), SyntaxError);
  for (const ms of [0, 45_000]) assert.equal(type.parse(type.format(ms)), ms);
});
