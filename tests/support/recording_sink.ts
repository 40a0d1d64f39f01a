/** A stream's sink for tests: keeps what it is given and lets a test wait for it. */

import type { StreamEvent } from "../../shapes/change.ts";
import type { Logger } from "../../shapes/ports.ts";
import type { Session, StreamSink } from "../../replication/stream_sink.ts";
import type { GapCause } from "../../replication/setup_plan.ts";

const WAIT_LIMIT_MS = 20_000;

export class RecordingSink implements StreamSink {
  readonly sessions: Session[] = [];
  readonly events: StreamEvent[] = [];
  readonly gaps: GapCause[] = [];
  /** Streams that have ended. */
  ends = 0;
  /** Set to hold `accept` back until it resolves. */
  gate: Promise<void> | undefined;
  /** Called with each gap before it is kept; what it throws is the answer. */
  onGap: (cause: GapCause) => void | Promise<void> = () => {};
  /** Called with each batch before it is kept. */
  onBatch: (events: readonly StreamEvent[]) => void = () => {};

  async beforeGap(cause: GapCause): Promise<void> {
    await this.onGap(cause);
    this.gaps.push(cause);
  }

  begin(session: Session): Promise<void> {
    this.sessions.push(session);
    return Promise.resolve();
  }

  end(): void {
    this.ends++;
  }

  accept(events: readonly StreamEvent[]): Promise<void> | undefined {
    this.onBatch(events);
    this.events.push(...events);
    return this.gate;
  }

  /** First column of every row inserted by a transaction that was committed, in order. */
  inserted(): string[] {
    const seen: string[] = [];
    let open: string[] = [];
    for (const event of this.events) {
      if (event.kind === "begin") open = [];
      if (event.kind === "commit") seen.push(...open);
      if (event.kind !== "change" || event.change.kind !== "insert") continue;
      const { row } = event.change;
      const [start, length] = [row.starts[0], row.lengths[0]];
      open.push(new TextDecoder().decode(row.bytes.subarray(start, start + length)));
    }
    return seen;
  }

  /** The last `endLsn` or `walEnd` delivered. */
  lastLsn(): bigint {
    const event = this.events.findLast(({ kind }) => kind === "commit" || kind === "progress");
    if (event?.kind === "commit") return event.endLsn;
    return event?.kind === "progress" ? event.walEnd : 0n;
  }
}

/** Polls until the condition holds. Throws with `what` after 20 s. */
export async function waitUntil(
  what: string,
  condition: () => boolean | Promise<boolean>,
  limitMs = WAIT_LIMIT_MS,
): Promise<void> {
  const deadlineMs = Date.now() + limitMs;
  while (!await condition()) {
    if (Date.now() > deadlineMs) throw new Error(`Waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A logger that keeps its lines. */
export function recordingLogger(): Logger & { readonly lines: string[] } {
  const lines: string[] = [];
  const write = (level: string) => (message: string, fields: object = {}) => {
    const text = Object.entries(fields).map(([name, value]) => `${name}=${value}`).join(" ");
    lines.push(`${level} ${message} ${text}`);
  };
  return {
    lines,
    debug: write("debug"),
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
  };
}
