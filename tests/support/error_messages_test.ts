import assert from "node:assert/strict";
import { FIELD_ERROR, MESSAGE } from "../../server/protocol.ts";
import { findMessages } from "./error_messages.ts";
import { readProjectFile, readSources } from "./source_tree.ts";

/** Tools that explain themselves where they are used. */
const NOT_OF_THE_SERVER = /^cli\/(?:inspect|demo|tail|status|doctor|stream_intake)\b/;
/** What only a server that breaks its own protocol would cause, and what no user is shown. */
const INTERNAL = [
  /^replication\/assemble\.ts$/,
  /^replication\/evaluat/,
  /^replication\/probe\.ts$/,
];
/** Fragments that are put into other messages. */
const FRAGMENTS = ["…: one of …", 'Server gave no "…" where one was expected'];

const sources = readSources().filter(({ path }) =>
  /^(?:cli|server|shapes|replication)\//.test(path)
);
const found = findMessages(sources).filter(({ path, message }) =>
  !NOT_OF_THE_SERVER.test(path) && !INTERNAL.some((pattern) => pattern.test(path)) &&
  !FRAGMENTS.includes(message)
);
const documented = readDocumented(readProjectFile("docs/troubleshooting.md"));
/** As one text: literals that are joined in one piece, and what is filled in, quotes included, gone. */
const code = normalize(
  sources.map(({ text }) => text).join("\n").replace(/["`]\s*\+\s*["`]/g, "")
    .replaceAll('\\"', '"').replace(/\$\{[^{}]*\}/g, "…"),
);

/** Names may bring their quotes with them. */
function normalize(text: string): string {
  return text.replaceAll('"…"', "…");
}

/** What stands in backticks in the first column of the tables. */
function readDocumented(page: string): readonly string[] {
  const rows = page.split("\n").filter((line) => /^\| `/.test(line));
  return rows.flatMap((row) => {
    const [, cell] = row.split(/(?<!\\) \| |^\| /);
    return [...cell.matchAll(/(?<!`)(`{1,2})(?!`)(.+?)(?<!`)\1(?!`)/g)].map(([, , text]) => text);
  });
}

function escapePattern(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

/** Whether a message of the page stands for one of the code, whose holes may be filled. */
function isTold(message: string): boolean {
  const pattern = patternOf(message);
  return documented.some((text) => pattern.test(text));
}

/** A message that ends with a space goes on with something. */
function patternOf(message: string): RegExp {
  const whole = message.endsWith(" ") ? `${message}…` : message;
  return new RegExp(`^${whole.split(/…(?:[.,]?…)*/).map(escapePattern).join(".*?")}$`);
}

Deno.test("findMessages() reads literals, joined ones as one, with holes", () => {
  const text =
    'throw new WhereError(`type ${a(`${b}`)} of ` +\n  "a \\"b\\"", at); fatal(\'it is\');' +
    ' new InvalidRequestError({ [field]: ["it is not"] });';
  assert.deepEqual(findMessages([{ path: "x.ts", text }]).map(({ message }) => message), [
    'type … of a "b"',
    "it is",
    "it is not",
  ]);
});

Deno.test("docs/troubleshooting.md has every message that the server has", () => {
  assert(found.length > 100);
  const all = [
    ...found,
    ...Object.values({ ...MESSAGE, ...FIELD_ERROR }).map((message) => {
      return {
        path: "server/protocol.ts",
        message: message.endsWith(": ") ? `${message}…` : message,
      };
    }),
  ];
  const untold = all.filter(({ message }) => !isTold(message));
  assert.deepEqual(untold.map(({ path, message }) => `${path}: ${message}`), []);
});

Deno.test("every message of docs/troubleshooting.md is one that the code has", () => {
  assert(documented.length > 120);
  const made = documented.filter((text) => {
    const isFound = found.some(({ message }) => patternOf(message).test(text));
    return !isFound && !normalize(text).split("…").every((part) => code.includes(part.trim()));
  });
  assert.deepEqual(made, []);
});
