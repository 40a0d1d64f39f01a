import assert from "node:assert/strict";
import { modeReasonOf } from "../../replication/mode_reason.ts";
import { classifyPostgresError } from "../../replication/postgres_error.ts";

function reasonOf(code: string, message: string): string {
  return modeReasonOf(classifyPostgresError(Object.assign(new Error(message), { code })));
}

const CASES = [
  ["ECONNREFUSED", "connect ECONNREFUSED", "postgres_unreachable"],
  ["28P01", "password authentication failed", "authentication_failed"],
  ["28000", "no pg_hba.conf entry for replication connection", "rejected"],
  ["3D000", 'database "x" does not exist', "database_missing"],
  ["42501", "must be superuser or replication role to start walsender", "privilege"],
  ["25006", "cannot execute CREATE PUBLICATION in a read-only transaction", "read_only"],
  ["55000", "logical decoding requires wal_level >= logical", "wal_level"],
  ["53300", "number of requested standby connections exceeds max_wal_senders", "no_walsender"],
  ["53400", "all replication slots are in use", "no_slot"],
  ["55006", 'replication slot "s" is active for PID 1', "slot_in_use"],
  ["55000", 'can no longer access replication slot "s"', "slot_lost"],
  ["42704", 'publication "p" does not exist', "publication_missing"],
] as const;

for (const [code, message, reason] of CASES) {
  Deno.test(`modeReasonOf() calls ${code} "${message}" ${reason}`, () => {
    assert.equal(reasonOf(code, message), reason);
  });
}
