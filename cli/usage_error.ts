/** What ends with exit code 2. */

import type { CommandName } from "./command_line.ts";

/** The command line can't be understood: exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  /** Whose help to point to. */
  readonly topic: CommandName | undefined;

  constructor(message: string, topic?: CommandName) {
    super(message);
    this.topic = topic;
  }
}
