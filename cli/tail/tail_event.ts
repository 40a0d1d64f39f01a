/** What `tail` tells of, read from the client's messages. */

export type Texts = Readonly<Record<string, unknown>>;

export interface Change {
  readonly table: string;
  readonly operation: string;
  readonly key: string;
  /** Columns as Postgres' text, or null. */
  readonly value: Texts;
  /** What an update changed, before it; with `--replica full` only. */
  readonly oldValue: Texts | undefined;
  /** Where the change is in the log; undefined for rows as they were, and found by comparing. */
  readonly place: Place | undefined;
  readonly txids: readonly unknown[];
}

export interface Place {
  readonly lsn: bigint;
  readonly position: number;
}

export type Message =
  | { readonly kind: "change"; readonly change: Change }
  | { readonly kind: "control"; readonly control: string };

/** Undefined for what is neither a change nor a control message. */
export function parseMessage(table: string, message: unknown): Message | undefined {
  if (!isObject(message) || !isObject(message.headers)) return undefined;
  const { headers, key, value, old_value: oldValue } = message;
  if (typeof headers.control === "string") return { kind: "control", control: headers.control };
  if (typeof headers.operation !== "string" || typeof key !== "string") return undefined;
  return {
    kind: "change",
    change: {
      table,
      operation: headers.operation,
      key,
      value: isObject(value) ? value : {},
      oldValue: isObject(oldValue) ? oldValue : undefined,
      place: parsePlace(headers),
      txids: Array.isArray(headers.txids) ? headers.txids : [],
    },
  };
}

function parsePlace({ lsn, op_position: position }: Texts): Place | undefined {
  if ((typeof lsn !== "string" && typeof lsn !== "number") || !/^\d+$/.test(`${lsn}`)) {
    return undefined;
  }
  return { lsn: BigInt(lsn), position: typeof position === "number" ? position : 0 };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * `"public"."issues"/"17"` to its values: a slash within is written twice, quotes are not escaped.
 * Undefined if it is not of that form.
 */
export function parseKey(key: string): readonly string[] | undefined {
  const parts = key.split(/(?<!\/)\/(?!\/)/).slice(1);
  if (parts.length === 0) return undefined;
  return parts.map((part) => part.replace(/^"(.*)"$/s, "$1").replaceAll("//", "/"));
}

/**
 * Batches of several tables as one, by place in the database's log; what has no place stays behind
 * what its table had before.
 */
export function mergeByPlace(batches: readonly (readonly Change[])[]): readonly Change[] {
  const placed = batches.flatMap((batch) => {
    let place: Place = { lsn: 0n, position: 0 };
    return batch.map((change) => {
      place = change.place ?? place;
      return { change, place };
    });
  });
  placed.sort((a, b) => comparePlaces(a.place, b.place));
  return placed.map(({ change }) => change);
}

function comparePlaces(a: Place, b: Place): number {
  if (a.lsn !== b.lsn) return a.lsn < b.lsn ? -1 : 1;
  return a.position - b.position;
}
