/** What a client holds: its messages folded into rows, as apps do it, with an eye on contradictions. */

export type Row = Readonly<Record<string, unknown>>;

/** The part of the official client's messages that matters here. */
export type FoldMessage =
  | { readonly headers: { readonly control: string } }
  | {
    readonly headers: { readonly operation: "insert" | "update" | "delete" };
    readonly key: string;
    readonly value: Row;
  };

/** What a client was told that contradicts what it held, by what it was. */
export interface Oddities {
  readonly "inserted twice": number;
  /** Half a row for apps. */
  readonly "updated without being there": number;
  readonly "deleted without being there": number;
}

export class Fold {
  readonly #rows = new Map<string, Row>();
  #doubleInserts = 0;
  #strayUpdates = 0;
  #strayDeletes = 0;
  /** How often it was sent back to start. */
  refetches = 0;

  apply(message: FoldMessage): void {
    if ("control" in message.headers) {
      if (message.headers.control === "must-refetch") this.#startAgain();
    } else if ("key" in message) {
      this.#change(message.headers.operation, message.key, message.value);
    }
  }

  get size(): number {
    return this.#rows.size;
  }

  rows(): Iterable<Row> {
    return this.#rows.values();
  }

  oddities(): Oddities {
    return {
      "inserted twice": this.#doubleInserts,
      "updated without being there": this.#strayUpdates,
      "deleted without being there": this.#strayDeletes,
    };
  }

  #startAgain(): void {
    this.refetches++;
    this.#rows.clear();
  }

  #change(operation: "insert" | "update" | "delete", key: string, value: Row): void {
    const known = this.#rows.get(key);
    switch (operation) {
      case "insert":
        if (known) this.#doubleInserts++;
        this.#rows.set(key, value);
        break;
      case "update":
        if (!known) this.#strayUpdates++;
        this.#rows.set(key, { ...known, ...value });
        break;
      case "delete":
        if (!this.#rows.delete(key)) this.#strayDeletes++;
        break;
    }
  }
}

/** How far the rows that a client holds are from those of the table. */
export interface RowFaults {
  /** In the table and not with the client. */
  missing: number;
  /** With the client, and not in the table or there only once. */
  extra: number;
  /** With other values. */
  different: number;
}

export function isFaulty({ missing, extra, different }: RowFaults): boolean {
  return missing + extra + different > 0;
}

/** Compares by an identifying column; `expected` may come in pieces. */
export class RowComparison {
  readonly #column: string;
  readonly #held = new Map<unknown, Row>();
  readonly #faults: RowFaults = { missing: 0, extra: 0, different: 0 };

  constructor(held: Iterable<Row>, column: string) {
    this.#column = column;
    for (const row of held) {
      if (this.#held.has(row[column])) this.#faults.extra++;
      this.#held.set(row[column], row);
    }
  }

  expect(rows: Iterable<Row>): void {
    for (const row of rows) {
      const id = row[this.#column], held = this.#held.get(id);
      if (!held) this.#faults.missing++;
      else if (!isSame(held, row)) this.#faults.different++;
      this.#held.delete(id);
    }
  }

  finish(): RowFaults {
    return { ...this.#faults, extra: this.#faults.extra + this.#held.size };
  }
}

function isSame(a: Row, b: Row): boolean {
  const names = Object.keys(b);
  return names.length === Object.keys(a).length && names.every((name) => a[name] === b[name]);
}
