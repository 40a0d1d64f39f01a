/**
 * Writes shapes/where/catalog/builtin.json: what the catalogs of all the given servers agree on about
 * the types, operators, functions and casts that Postgres brings along.
 *
 *     deno run -A tests/support/write_where_catalog.ts postgresql://…15 postgresql://…18
 */

import postgres from "postgres";

const PAGE = new URL("../../shapes/where/catalog/builtin.json", import.meta.url);

/** Types that no expression over a row's values has, or whose functions need a place to run in. */
const INTERNAL =
  `('internal', 'cstring', 'trigger', 'event_trigger', 'language_handler', 'fdw_handler',
  'index_am_handler', 'tsm_handler', 'table_am_handler', 'void', 'record', '_record', '_cstring',
  'pg_ddl_command', 'pg_node_tree', 'pg_ndistinct', 'pg_dependencies', 'pg_mcv_list', 'unknown',
  'pg_brin_bloom_summary', 'pg_brin_minmax_multi_summary', 'refcursor', 'aclitem', '_aclitem')`;

/** `category flags [subtype]`: p preferred, c collatable, i input and o output immutable; `typtype`. */
const TYPES = `
  SELECT t.typname AS key, concat_ws(' ', t.typcategory, concat(
      CASE WHEN t.typispreferred THEN 'p' END, CASE WHEN t.typcollation <> 0 THEN 'c' END,
      CASE WHEN i.provolatile = 'i' THEN 'i' END, CASE WHEN o.provolatile = 'i' THEN 'o' END,
      t.typtype), coalesce(sub.typname, own.typname)) AS value, '' AS volatility
  FROM pg_type t
  JOIN pg_proc i ON i.oid = t.typinput JOIN pg_proc o ON o.oid = t.typoutput
  LEFT JOIN pg_range r ON r.rngtypid = t.oid LEFT JOIN pg_type sub ON sub.oid = r.rngsubtype
  LEFT JOIN pg_range m ON m.rngmultitypid = t.oid LEFT JOIN pg_type own ON own.oid = m.rngtypid
  WHERE t.typnamespace = 'pg_catalog'::regnamespace AND t.typtype <> 'c'
    AND t.typname NOT IN ${INTERNAL} AND t.typname NOT LIKE 'reg%'
    AND (t.typcategory <> 'A' OR t.typname IN ('int2vector', 'oidvector'))`;

const OPERATORS = `
  SELECT o.oprname AS key,
    concat_ws(' ', coalesce(l.typname, '-'), r.typname, t.typname, '?') AS value,
    p.provolatile AS volatility
  FROM pg_operator o JOIN pg_proc p ON p.oid = o.oprcode
  LEFT JOIN pg_type l ON l.oid = o.oprleft JOIN pg_type r ON r.oid = o.oprright
  JOIN pg_type t ON t.oid = o.oprresult
  WHERE o.oprnamespace = 'pg_catalog'::regnamespace
    AND coalesce(l.typname, '-') NOT IN ${INTERNAL} AND r.typname NOT IN ${INTERNAL}`;

/** `arguments result volatility`, and `*` if the last argument repeats; with and without optional ones. */
const FUNCTIONS = `
  SELECT p.proname AS key, concat_ws(' ', coalesce(nullif((
      SELECT string_agg(a.typname, ',' ORDER BY place)
      FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY arg(oid, place) JOIN pg_type a USING (oid)
      WHERE place <= p.pronargs - omitted
    ), ''), '-'), t.typname, '?', CASE WHEN p.provariadic <> 0 THEN '*' END) AS value,
    p.provolatile AS volatility
  FROM pg_proc p JOIN pg_type t ON t.oid = p.prorettype,
    generate_series(0, p.pronargdefaults) omitted
  WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = 'f' AND NOT p.proretset
    AND t.typname NOT IN ${INTERNAL} AND NOT EXISTS (
      SELECT FROM unnest(p.proargtypes::oid[]) arg(oid) JOIN pg_type a USING (oid)
      WHERE a.typname IN ${INTERNAL} OR a.typname LIKE 'reg%')
    AND t.typname NOT LIKE 'reg%'
    AND p.proname NOT LIKE 'pg\\_%' AND p.proname NOT LIKE 'bin%upgrade%'
    AND EXISTS (SELECT FROM pg_proc other WHERE other.proname = p.proname
      AND other.pronamespace = p.pronamespace AND other.provolatile <> 'v')`;

/** `target context volatility`: i implicit, a assignment, e explicit. */
const CASTS = `
  SELECT s.typname AS key,
    concat_ws(' ', t.typname, c.castcontext, '?') AS value,
    coalesce(p.provolatile, 'i') AS volatility
  FROM pg_cast c JOIN pg_type s ON s.oid = c.castsource JOIN pg_type t ON t.oid = c.casttarget
  LEFT JOIN pg_proc p ON p.oid = c.castfunc
  WHERE c.castsource < 16384 AND c.casttarget < 16384 AND c.castsource <> c.casttarget
    AND s.typname NOT IN ${INTERNAL} AND t.typname NOT IN ${INTERNAL}
    AND s.typname NOT LIKE 'reg%' AND t.typname NOT LIKE 'reg%'`;

/** By key: values, each with the volatilities that stand for `?` in it. */
type Entries = Map<string, Map<string, string>>;

async function read(sql: postgres.Sql, text: string): Promise<Entries> {
  const rows = await sql.unsafe<{ key: string; value: string; volatility: string }[]>(text);
  const groups = Map.groupBy(rows, ({ key }) => key);
  return new Map(
    [...groups].map((
      [key, all],
    ) => [key, new Map(all.map(({ value, volatility }) => [value, volatility]))]),
  );
}

/** What is everywhere, as volatile (`v` > `s` > `i`) as it is anywhere. */
function intersect(all: readonly Entries[]): Record<string, string[]> {
  const [first, ...others] = all;
  const shared = [...first.keys()].sort().map((key): [string, string[]] => {
    const values = [...first.get(key) ?? []].filter(([value]) =>
      others.every((entries) => entries.get(key)?.has(value))
    );
    return [
      key,
      values.map(([value]) => {
        const volatilities = all.map((entries) => entries.get(key)?.get(value) ?? "").sort();
        return value.replace("?", volatilities[volatilities.length - 1]);
      }).sort(),
    ];
  });
  return Object.fromEntries(shared.filter(([, values]) => values.length > 0));
}

function format(entries: Record<string, string[]>): Record<string, string> {
  return Object.fromEntries(Object.entries(entries).map(([key, all]) => [key, all.join("; ")]));
}

async function main(urls: readonly string[]) {
  const servers = urls.map((url) => postgres(url, { max: 1 }));
  const section = async (text: string) =>
    format(intersect(await Promise.all(servers.map((sql) => read(sql, text)))));
  const catalog = {
    types: await section(TYPES),
    operators: await section(OPERATORS),
    functions: await section(FUNCTIONS),
    casts: await section(CASTS),
  };
  await Deno.writeTextFile(PAGE, JSON.stringify(catalog, null, 2) + "\n");
  await Promise.all(servers.map((sql) => sql.end()));
}

if (import.meta.main) await main(Deno.args);
