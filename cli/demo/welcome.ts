/** What the demo tells its user once it runs. */

export interface DemoFacts {
  /** Of the HTTP API, without a path. */
  readonly apiUrl: string;
  readonly databaseUrl: string;
  /** Where `issues` is now, so that a command can follow it from here. */
  readonly handle: string;
  readonly offset: string;
}

export function formatWelcome({ apiUrl, databaseUrl, handle, offset }: DemoFacts): string {
  const shapeUrl = `${apiUrl}/v1/shape`;
  return `
The demo runs: an issue tracker with tables "projects", "issues" and "comments", written to twice a second.

  API       ${apiUrl}
  Postgres  ${databaseUrl}

Read a shape, all of a table or a part of it:

  curl -i '${shapeUrl}?table=issues&offset=-1'
  curl -G '${shapeUrl}' -d table=issues -d offset=-1 --data-urlencode "where=status = 'open'" -d columns=id,title

Watch changes arrive:

  curl -N '${shapeUrl}?table=issues&handle=${handle}&offset=${offset}&live=true&live_sse=true'

Or keep a live copy in a program. Save this as live.ts and run \`npx -y deno@2.9.6 run -A live.ts\`:

  import { Shape, ShapeStream } from "npm:@electric-sql/client@1.5.28";

  const stream = new ShapeStream({ url: "${shapeUrl}", params: { table: "issues" } });
  new Shape(stream).subscribe(({ rows }) => {
    console.log(rows.length, "issues,", rows.filter((row) => row.status === "open").length, "open");
  });

Ctrl-C stops everything and leaves nothing behind.
`;
}
