/** What the database's catalog says about a table. Plain data: stored as JSON with each shape. */

export interface TableName {
  readonly schema: string;
  readonly name: string;
}

export interface TableColumn {
  readonly name: string;
  /** `pg_attribute.attnum`. */
  readonly number: number;
  /** `pg_type.typname`; of the element type when `dims` > 0. */
  readonly typeName: string;
  /** OID of the column's own type (the array type for arrays). */
  readonly typeOid: number;
  /** Schema of the type named by `typeName`. */
  readonly typeSchema: string;
  /** `pg_type.typtype` of the type named by `typeName`: b base, c composite, d domain, e enum, r range, m multirange. */
  readonly typeKind: string;
  /** For a domain, the name of the base type at its bottom; else `typeName`. */
  readonly baseTypeName: string;
  /** `pg_attribute.atttypmod`; -1 when there is none. */
  readonly typeMod: number;
  /** `pg_attribute.attndims`. */
  readonly dims: number;
  readonly isNotNull: boolean;
  /** Position in the primary key, from 0; null when it is not part of it. */
  readonly keyIndex: number | null;
  /** Generated columns: `stored`, `virtual`; null for ordinary ones. */
  readonly generated: "stored" | "virtual" | null;
  /** `pg_collation.collname` when the column's collation is not the default one; else null. */
  readonly collation: string | null;
}

export interface Table extends TableName {
  readonly oid: number;
  /** `view`: a view, materialised view or foreign table, which only queries can follow. */
  readonly kind: "ordinary" | "partitioned" | "view";
  /** In attnum order, dropped ones left out. */
  readonly columns: readonly TableColumn[];
  /** OIDs of all partitions below it, at every level; empty for ordinary tables. */
  readonly partitions: readonly number[];
  /**
   * Those of the partitions that may have brought rows along: they were attached as tables that
   * were there before, or lie below one that was.
   */
  readonly attached: readonly number[];
}

/**
 * The columns whose values make a row's key: those declared, or the primary key in index order, or
 * else all of them.
 */
export function keyColumns(table: Table, declared?: readonly string[]): readonly TableColumn[] {
  if (declared) {
    return declared.flatMap((name) => table.columns.find((column) => column.name === name) ?? []);
  }
  const key = table.columns.filter((column) => column.keyIndex !== null);
  if (key.length === 0) return table.columns;
  return key.toSorted((a, b) => (a.keyIndex ?? 0) - (b.keyIndex ?? 0));
}

/** The table with partitions that its shapes have learnt of after they were made. */
export function withPartitions(table: Table, learnt: readonly number[]): Table {
  if (learnt.length === 0) return table;
  const partitions = [...new Set([...table.partitions, ...learnt])].sort((a, b) => a - b);
  return { ...table, partitions };
}

/** Whether two descriptions say the same, down to the partitions. */
export function isSameTable(a: Table, b: Table): boolean {
  return a === b || a.oid === b.oid && a.schema === b.schema && a.name === b.name &&
      a.kind === b.kind && isSameList(a.partitions, b.partitions, Object.is) &&
      isSameList(a.columns, b.columns, isSameColumn);
}

function isSameColumn(a: TableColumn, b: TableColumn): boolean {
  return COLUMN_FIELDS.every((field) => a[field] === b[field]);
}

const COLUMN_FIELDS = Object.keys(
  {
    name: 0,
    number: 0,
    typeName: 0,
    typeOid: 0,
    typeSchema: 0,
    typeKind: 0,
    baseTypeName: 0,
    typeMod: 0,
    dims: 0,
    isNotNull: 0,
    keyIndex: 0,
    generated: 0,
    collation: 0,
  } satisfies Record<keyof TableColumn, 0>,
) as (keyof TableColumn)[];

function isSameList<T>(a: readonly T[], b: readonly T[], isSame: (a: T, b: T) => boolean): boolean {
  return a.length === b.length && a.every((item, index) => isSame(item, b[index]));
}
