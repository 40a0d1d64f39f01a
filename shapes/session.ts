/** Whether a stream goes on where the stored logs end. */

import type { StoredIdentity } from "./log/store.ts";

export interface StreamIdentity extends StoredIdentity {
  /** The slot was just made: what happened before it is not in the stream. */
  readonly isSlotNew: boolean;
}

/** Why the stored shapes can't be continued by this stream; undefined when they can. */
export function whyStartOver(
  stored: StoredIdentity | undefined,
  stream: StreamIdentity,
): string | undefined {
  if (stored === undefined) return undefined;
  if (stored.systemId !== stream.systemId) return "The database is another one";
  if (stored.database !== stream.database) return "The database has another name";
  if (stored.timeline !== stream.timeline) return "The database was recovered to another timeline";
  return stream.isSlotNew ? "The replication slot is new" : undefined;
}
