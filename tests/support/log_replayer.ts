/**
 * Reads log items as a client does and keeps the rows they come to. It shares no code with what
 * writes them, and is strict where clients are lenient: what a client would put up with (an insert
 * of a row that is there, an update of one that is not, an offset that does not grow) is an error.
 */

export type Value = Record<string, string | null>;

export interface Item {
  readonly key: string;
  readonly value: Value;
  readonly old_value?: Value;
  readonly headers: ItemHeaders;
}

export interface ItemHeaders {
  readonly operation: "insert" | "update" | "delete";
  readonly relation: readonly [schema: string, table: string];
  readonly lsn?: string;
  readonly txids?: readonly number[];
  readonly op_position?: number;
  readonly last?: true;
  readonly key_change_to?: string;
  readonly key_change_from?: string;
}

export interface Control {
  readonly headers: {
    readonly control: string;
    readonly xmin?: string;
    readonly xmax?: string;
    readonly xip_list?: readonly string[];
    readonly global_last_seen_lsn?: string;
  };
}

export type Message = Item | Control;

export function isItem(message: Message): message is Item {
  return "key" in message;
}

/** Messages as pages hold them: JSON texts, each preceded by a comma. */
export function parseMessages(bytes: Uint8Array): Message[] {
  const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  if (text !== "" && !text.startsWith(",")) throw new SyntaxError(`No comma before "${text}"`);
  return JSON.parse(`[${text.slice(1)}]`);
}

/** The items alone. */
export function parseItems(bytes: Uint8Array): Item[] {
  return parseMessages(bytes).filter(isItem);
}

export class LogReplayer {
  /** Key → selected columns. */
  readonly rows = new Map<string, Value>();
  /** Rows of the snapshot before its end has been read. */
  #isInSnapshot = true;
  #lsn = -1n;
  #op = -1;
  /** The transaction that is being read, if its last item has not come. */
  #open: bigint | undefined;

  get isSnapshotRead(): boolean {
    return !this.#isInSnapshot;
  }

  /** True unless the last item read was in the middle of a transaction. */
  get isAtTransactionEnd(): boolean {
    return !this.#isCut;
  }

  get #isCut(): boolean {
    return this.#open !== undefined && (this.#open & 1n) === 0n;
  }

  /** Everything read so far: the last offset, as responses print it. */
  get offset(): string {
    return this.#lsn < 0n ? this.#isInSnapshot ? "-1" : "0_inf" : `${this.#lsn}_${this.#op}`;
  }

  read(bytes: Uint8Array): this {
    return this.apply(parseMessages(bytes));
  }

  apply(messages: readonly Message[]): this {
    for (const message of messages) {
      if (isItem(message)) this.#item(message);
      else if (message.headers.control === "snapshot-end") this.#isInSnapshot = false;
      else if (message.headers.control === "must-refetch") this.#restart();
    }
    return this;
  }

  /** The rows' values, in the order of their keys. */
  values(): Value[] {
    return [...this.rows].sort(([a], [b]) => a < b ? -1 : 1).map(([, value]) => value);
  }

  #restart(): void {
    this.rows.clear();
    this.#isInSnapshot = true;
    this.#lsn = -1n;
    this.#op = -1;
    this.#open = undefined;
  }

  #item(item: Item): void {
    const { key, value, headers } = item;
    if (headers.lsn === undefined) this.#checkSnapshotRow(item);
    else this.#checkPosition(item, BigInt(headers.lsn));
    const known = this.rows.get(key);
    if (headers.operation === "insert") {
      if (known) throw fault("Insert of a row that is there", item);
      this.rows.set(key, { ...value });
      return;
    }
    if (!known) throw fault(`${headers.operation} of a row that is not there`, item);
    if (headers.operation === "delete") this.rows.delete(key);
    else this.rows.set(key, { ...known, ...value });
  }

  #checkSnapshotRow(item: Item): void {
    if (!this.#isInSnapshot) throw fault("Row of the snapshot after its end", item);
  }

  #checkPosition(item: Item, lsn: bigint): void {
    const { op_position: op, last, txids } = item.headers;
    if (this.#isInSnapshot) throw fault("Change within the snapshot", item);
    // What a reconcile found lies at odd positions: no one transaction made it, its end may have turned
    // out not to be needed, and the next reconcile may go on at the same position.
    const isReconciled = (lsn & 1n) === 1n;
    const isNamed = isReconciled ? txids === undefined || txids.length > 0 : txids?.length === 1;
    if (op === undefined || !isNamed) throw fault("Incomplete headers", item);
    if (this.#isCut && this.#open !== lsn) throw fault("No last before", item);
    const isOver = this.#open === undefined && this.#lsn === lsn && !isReconciled;
    if (isOver) throw fault("More after the last", item);
    if (lsn < this.#lsn || lsn === this.#lsn && op <= this.#op) {
      throw fault(`Not beyond ${this.offset}`, item);
    }
    this.#lsn = lsn;
    this.#op = op;
    this.#open = last ? undefined : lsn;
  }
}

function fault(problem: string, item: Item): RangeError {
  return new RangeError(`${problem}: ${JSON.stringify(item)}`);
}
