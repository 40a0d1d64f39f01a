import { type PgType, PLAIN } from "./type.ts";

/** What the catalog says of a type that has no implementation here. */
export interface ForeignType {
  readonly name: string;
  readonly sqlName: string;
  readonly category: string;
  readonly isPreferred?: boolean;
  readonly isCollatable?: boolean;
  readonly subtype?: PgType;
}

/** A type whose constants are handed to Postgres as they were written, and its values read there. */
export function foreignType(type: ForeignType): PgType<string> {
  return {
    ...PLAIN,
    ...type,
    isPreferred: type.isPreferred ?? false,
    isCollatable: type.isCollatable ?? false,
    isTextUnique: false,
    isForeign: true,
    parse: (text) => text.includes("\0") ? undefined : text,
    format: (value) => value,
    decode: (text) => text,
    compare: () => {
      throw new TypeError(`Type "${type.name}" has no order here`);
    },
  };
}
