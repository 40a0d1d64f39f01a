/** Random tables, shapes and transactions for the oracle test. */

import type { Random } from "./random.ts";

export interface OracleTable {
  readonly name: string;
  readonly columns: readonly string[];
  /** Columns of the key, in key order. */
  readonly key: readonly string[];
  readonly wheres: readonly string[];
  /** Random statements that may fail (a key that is taken): then the transaction is rolled back. */
  statement(random: Random): string;
}

const NAMES = ["ada", "bob", "", "it''s", "a/b", 'quo"te', "tab\tnew\nline", "ünï€", "back\\slash"];
const name = (random: Random) => `'${random.pick(NAMES)}'`;
const number = (random: Random) => random.chance(0.1) ? "null" : `${random.below(40) - 20}`;
const id = (random: Random) => `${random.below(60)}`;
/** Text that is stored out of line: updates that leave it alone don't send it. */
const long = (random: Random) =>
  random.chance(0.3)
    ? `(select string_agg(md5(g::text || '${
      random.below(1e9)
    }'), '') from generate_series(1, 120) g)`
    : "'short'";

const plain: OracleTable = {
  name: "plain",
  columns: ["id", "name", "n", "flag", "long"],
  key: ["id"],
  wheres: [
    "n > 0",
    "name = 'ada'",
    "name IN ('bob', 'it''s')",
    "flag",
    "NOT flag",
    "n IS NULL",
    "n >= -5 AND n < 10 AND flag",
    "name = 'ada' OR n = 7",
    "id = 5",
  ],
  statement: (random) =>
    random.pick([
      () =>
        `insert into plain values (${id(random)}, ${name(random)}, ${number(random)},
        ${random.chance(0.5)}, ${long(random)})`,
      () =>
        `insert into plain values (${id(random)}, ${name(random)}, ${number(random)}, null, null)
        on conflict (id) do update set name = excluded.name, n = excluded.n`,
      () => `update plain set n = ${number(random)} where id = ${id(random)}`,
      () =>
        `update plain set name = ${name(random)}, flag = not flag where id % 7 = ${
          random.below(7)
        }`,
      () => `update plain set long = ${long(random)} where id = ${id(random)}`,
      () => `update plain set id = ${id(random)} where id = ${id(random)}`,
      () => `update plain set n = n where id < 10`,
      () => `delete from plain where id = ${id(random)}`,
    ])(),
};

const pair: OracleTable = {
  name: "pair",
  columns: ["a", "b", "v"],
  key: ["b", "a"],
  wheres: ["b > 5", "a = 'a/b'", "v IS NOT NULL AND b < 8"],
  statement: (random) =>
    random.pick([
      () =>
        `insert into pair values (${name(random)}, ${random.below(12)}, ${number(random)}.50)
        on conflict do nothing`.replace("null.50", "null"),
      () => `update pair set v = v * 3 where b = ${random.below(12)}`,
      () =>
        `update pair set b = ${random.below(12)} where a = ${name(random)} and b = ${
          random.below(12)
        }`,
      () => `delete from pair where b = ${random.below(12)} and a = ${name(random)}`,
    ])(),
};

const free: OracleTable = {
  name: "free",
  columns: ["x", "y"],
  key: ["x", "y"],
  wheres: ["x > 100", "y IS NULL"],
  statement: (random) =>
    random.pick([
      () =>
        `insert into free values (nextval('free_x'), ${
          random.chance(0.2) ? "null" : name(random)
        })`,
      // So much that logs are read back from several stored values.
      () =>
        `insert into free select nextval('free_x'), repeat('x', ${random.below(300)})
        from generate_series(1, ${random.below(100)})`,
      () => `update free set y = ${name(random)} where x % 11 = ${random.below(11)}`,
      () => `delete from free where x % 23 = ${random.below(23)}`,
    ])(),
};

const REGIONS = ["eu", "us", "asia"];

const parted: OracleTable = {
  name: "parted",
  columns: ["id", "region", "v"],
  key: ["id", "region"],
  wheres: ["region = 'eu'", "id > 30", "v = 'ada' OR region = 'us'"],
  statement: (random) =>
    random.pick([
      () =>
        `insert into parted values (${id(random)}, '${random.pick(REGIONS)}', ${name(random)})
        on conflict do nothing`,
      () => `update parted set v = ${name(random)} where id = ${id(random)}`,
      () => `update parted set region = '${random.pick(REGIONS)}' where id = ${id(random)}`,
      () => `delete from parted where id = ${id(random)}`,
    ])(),
};

export const TABLES: readonly OracleTable[] = [plain, pair, free, parted];

export const SCHEMA = `
  create table plain (id int primary key, name text, n int, flag bool, long text);
  create table pair (a text, b int, v numeric, primary key (b, a));
  create table free (x int, y text);
  create sequence free_x;
  create table parted (id int, region text, v text, primary key (id, region))
    partition by list (region);
  create table parted_us partition of parted for values in ('us');
  create table parted_rest partition of parted default;
  create table parted_eu partition of parted for values in ('eu') partition by range (id);
  create table parted_eu_low partition of parted_eu for values from (minvalue) to (30);
  create table parted_eu_high partition of parted_eu for values from (30) to (maxvalue);
`;

export interface OracleShape {
  readonly table: OracleTable;
  readonly columns: readonly string[];
  readonly params: Readonly<Record<string, string>>;
}

export function randomShape(random: Random): OracleShape {
  const table = random.pick(TABLES);
  const params: Record<string, string> = { table: table.name };
  if (random.chance(0.7)) params.where = random.pick(table.wheres);
  if (random.chance(0.3)) params.replica = "full";
  let columns = table.columns;
  if (random.chance(0.3)) {
    columns = table.columns.filter((column) => table.key.includes(column) || random.chance(0.5));
    params.columns = columns.join(",");
  }
  return { table, columns, params };
}

export function randomTransaction(random: Random): string[] {
  const count = random.chance(0.1) ? 60 : 1 + random.below(6);
  return Array.from({ length: count }, () => random.pick(TABLES).statement(random));
}
