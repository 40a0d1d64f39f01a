/** Rejections in pg_hba.conf. Logical replication has no keyword there: it is told by its way in. */

import { join } from "node:path";
import type { Cluster } from "../support/postgres.ts";
import { ROLE } from "./schema.ts";

/** Rejects the role's connections by Unix socket until disposed. Open ones stay. */
export async function rejectReplication(cluster: Cluster): Promise<AsyncDisposable> {
  const path = join(cluster.dataDir, "pg_hba.conf");
  const before = await Deno.readTextFile(path);
  await Deno.writeTextFile(path, `local all ${ROLE} reject\n${before}`);
  await cluster.reload();
  return {
    async [Symbol.asyncDispose]() {
      await Deno.writeTextFile(path, before);
      await cluster.reload();
    },
  };
}
