/** Where shapes are looked at: in a running server, or in the storage of a stopped one. */

import type { AdminShape, AdminShapeDetail, AdminShapes } from "../../server/admin.ts";
import type { DefinitionRequest } from "../../shapes/service.ts";

/** An item of a shape's log, as clients get it. */
export interface LogItem {
  readonly key?: string;
  readonly value?: Readonly<Record<string, string | null>>;
  readonly old_value?: Readonly<Record<string, string | null>>;
  readonly headers: Readonly<Record<string, unknown>>;
}

export interface ShapeReader extends AsyncDisposable {
  /** For messages: what is looked at. */
  readonly place: string;
  list(): Promise<AdminShapes>;
  /** The shape of this definition, if it is there. */
  find(definition: DefinitionRequest): Promise<AdminShape | undefined>;
  describe(handle: string): Promise<AdminShapeDetail | undefined>;
  /** Its items from the beginning to the head, page by page. */
  read(shape: AdminShape): AsyncIterable<readonly LogItem[]>;
}

/** Pages are decoded alike wherever they come from. */
export function parseItems(text: string): readonly LogItem[] {
  return JSON.parse(text) as LogItem[];
}
