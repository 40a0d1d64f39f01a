/** What takes the replication stream in: the contract between it and the domain. */

import type { StreamEvent } from "../shapes/change.ts";
import type { GapCause } from "./setup_plan.ts";

/** What a stream that is about to start belongs to. */
export interface Session {
  /** With the timeline, the identity of the database's history. */
  readonly systemId: string;
  readonly timeline: number;
  readonly database: string;
  /** `server_version_num`: 180004 is 18.4. */
  readonly serverVersion: number;
  /**
   * The slot was made since the last `begin` that resolved: changes may be missing before
   * `confirmedLsn`. After a crash in between only the sink can know, when `confirmedLsn` is beyond
   * what it has stored.
   */
  readonly isSlotNew: boolean;
  /** The stream brings every transaction whose commit ends after this, some of them again. */
  readonly confirmedLsn: bigint;
}

export interface StreamSink {
  /**
   * Called before the slot is dropped or a new one made, which waits for it: the stream that comes
   * will not go on where the last one ended. When it resolves it must be durable that every shape
   * lacks changes, because a crash right after it leaves nothing else that tells. May be called
   * again for the same gap; `begin` follows once there is a stream again. A rejection makes the
   * replicator try again.
   */
  beforeGap(cause: GapCause): Promise<void>;
  /**
   * Called before each (re)start of the stream, which waits for it. What the previous stream left
   * unfinished must be settled or dropped when it resolves; relations will be announced anew. A
   * rejection makes the replicator try again.
   */
  begin(session: Session): Promise<void>;
  /**
   * Events in order. A returned promise is back-pressure: no more are delivered until it resolves.
   * An error or rejection ends the stream, which starts again from what was confirmed.
   */
  accept(events: readonly StreamEvent[]): Promise<void> | undefined;
  /** The stream has ended: what it left unfinished comes again after the next `begin`. */
  end(): void;
}
