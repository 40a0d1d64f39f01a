/** Stands in for `psql URL -c SQL` on machines without it, for the commands of the documentation. */

import { openPool } from "../../replication/connection.ts";
import { parseDatabaseUrl } from "../../replication/database_url.ts";

const [url, flag, text] = Deno.args;
if (flag !== "-c" || text === undefined) throw new TypeError("Expected: URL -c SQL");
const sql = openPool({ url: parseDatabaseUrl(url), max: 1 });
console.table([...await sql.unsafe(text)]);
await sql.end();
