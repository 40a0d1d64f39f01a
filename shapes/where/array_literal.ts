/** Array constants of one dimension: `{1,NULL,"a b"}` (manual, "Array Input and Output Syntax"). */

const SPACE = /[ \t\n\v\f\r]/;

/** The elements' texts, null for NULL. Undefined for what is no such constant. */
export function parseArrayLiteral(text: string): (string | null)[] | undefined {
  const trimmed = text.replace(/^[ \t\n\v\f\r]+|[ \t\n\v\f\r]+$/g, "");
  if (!trimmed.startsWith("{") || !trimmed.endsWith("}") || trimmed.length < 2) return undefined;
  const body = trimmed.slice(1, -1);
  const elements: (string | null)[] = [];
  if (/^[ \t\n\v\f\r]*$/.test(body)) return elements;
  for (let at = 0; at <= body.length;) {
    const element = readElement(body, at);
    if (!element || (element.end < body.length && body[element.end] !== ",")) return undefined;
    elements.push(element.text);
    at = element.end + 1;
  }
  return elements;
}

function skipSpace(body: string, at: number): number {
  while (at < body.length && SPACE.test(body[at])) at++;
  return at;
}

function readElement(body: string, from: number): { text: string | null; end: number } | undefined {
  const at = skipSpace(body, from);
  return body[at] === '"' ? readQuoted(body, at + 1) : readBare(body, at);
}

function readQuoted(body: string, at: number): { text: string; end: number } | undefined {
  let text = "";
  for (; at < body.length && body[at] !== '"'; at++) {
    if (body[at] === "\\") at++;
    if (at < body.length) text += body[at];
  }
  return at < body.length ? { text, end: skipSpace(body, at + 1) } : undefined;
}

function readBare(body: string, at: number): { text: string | null; end: number } | undefined {
  let text = "", kept = 0;
  for (; at < body.length && body[at] !== ","; at++) {
    if (/["{}]/.test(body[at])) return undefined;
    const isEscaped = body[at] === "\\";
    if (isEscaped && ++at >= body.length) return undefined;
    text += body[at];
    // Spaces at the end do not count, unless they are escaped.
    if (isEscaped || !SPACE.test(body[at])) kept = isEscaped ? -text.length : text.length;
  }
  const isNull = kept > 0 && text.slice(0, kept).toLowerCase() === "null" && !text.includes("\\");
  text = text.slice(0, Math.abs(kept));
  if (text === "") return undefined;
  return { text: isNull ? null : text, end: at };
}

/** Whether the text may be an array of several dimensions, or one that says where it begins. */
export function isNestedLiteral(text: string): boolean {
  return /^[ \t\n\v\f\r]*(\[|\{[ \t\n\v\f\r]*\{)/.test(text);
}

/** Writes an array as `array_out` prints it. */
export function formatArrayLiteral(elements: readonly (string | null)[]): string {
  return `{${elements.map((text) => text === null ? "NULL" : formatElement(text)).join(",")}}`;
}

function formatElement(text: string): string {
  const isBare = text !== "" && !/["\\{}, \t\n\v\f\r]/.test(text) && text.toLowerCase() !== "null";
  return isBare ? text : `"${text.replace(/["\\]/g, "\\$&")}"`;
}

/** The elements of an array of any number of dimensions, in a row, as `array_out` prints it. */
export function elementsOf(text: string): (string | null)[] {
  const elements: (string | null)[] = [];
  let at = text[0] === "[" ? text.indexOf("=") + 1 : 0;
  while (at < text.length) {
    const character = text[at];
    if (character === "{" || character === "}" || character === ",") at++;
    else if (character === '"') {
      const { text: element, end } = readQuoted(text, at + 1) ?? { text: "", end: text.length };
      elements.push(element);
      at = end;
    } else {
      const start = at;
      while (at < text.length && text[at] !== "," && text[at] !== "}") at++;
      const element = text.slice(start, at);
      elements.push(element === "NULL" ? null : element);
    }
  }
  return elements;
}
