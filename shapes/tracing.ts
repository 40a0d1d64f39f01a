/** Work that takes time, told to whoever traces; how is not known here. */

export type SpanName = "snapshot" | "reconcile" | "commit" | "transactions";

export type SpanFields = Readonly<Record<string, string | number>>;

/** Does the work, and answers what it answers. Fields hold no values of rows or conditions. */
export type TraceWork = <T>(
  name: SpanName,
  fields: SpanFields,
  work: () => Promise<T>,
) => Promise<T>;

export const untraced: TraceWork = (_name, _fields, work) => work();
