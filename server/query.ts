/**
 * Query strings as Plug reads them (WIRE.md 2.1): the last duplicate wins, `a[b]=c` makes a map,
 * `a[]=c` a list, `+` is a space.
 */

export type QueryValue = string | QueryValue[] | QueryMap;
export type QueryMap = Map<string, QueryValue>;

/** Undefined when an escape is malformed or does not make UTF-8. */
export function parseQuery(raw: string): QueryMap | undefined {
  const result: QueryMap = new Map();
  if (raw === "") return result;
  try {
    for (const pair of raw.split("&")) {
      if (pair !== "") addPair(result, pair);
    }
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
  return result;
}

function addPair(result: QueryMap, pair: string): void {
  const equals = pair.indexOf("=");
  const key = decodeText(equals < 0 ? pair : pair.slice(0, equals));
  const value = equals < 0 ? "" : decodeText(pair.slice(equals + 1));
  const bracket = key.indexOf("[");
  if (bracket <= 0 || !key.endsWith("]")) result.set(key, value);
  else insert(result, key.slice(0, bracket), key.slice(bracket + 1, -1).split("]["), value);
}

/** Throws `URIError`. */
function decodeText(text: string): string {
  const spaced = text.includes("+") ? text.replaceAll("+", " ") : text;
  return spaced.includes("%") ? decodeURIComponent(spaced) : spaced;
}

/** Puts a value at `name[path…]`; an empty step of the path appends to a list. */
function insert(map: QueryMap, name: string, path: readonly string[], value: string): void {
  let target: QueryMap | QueryValue[] = map;
  let key = name;
  for (const step of path) {
    target = descend(target, key, step === "");
    key = step;
  }
  if (Array.isArray(target)) target.push(value);
  else target.set(key, value);
}

/** The list or map at a key, made anew where there is none or something else. */
function descend(target: QueryMap | QueryValue[], key: string, isList: boolean) {
  const present = Array.isArray(target) ? undefined : target.get(key);
  if (isList ? Array.isArray(present) : present instanceof Map) {
    return present as QueryMap | QueryValue[];
  }
  const made: QueryMap | QueryValue[] = isList ? [] : new Map();
  if (Array.isArray(target)) target.push(made);
  else target.set(key, made);
  return made;
}
