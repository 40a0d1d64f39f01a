/**
 * Makes a cluster go on with another transaction id, epoch included: what `pg_resetwal -e -x` does,
 * which not every build of Postgres has. A server that was shut down finds the next id in the copy
 * of the last checkpoint in pg_control, which has a checksum.
 */

import { join } from "node:path";
import postgres from "postgres";
import type { Cluster } from "./postgres.ts";

/** Places in `ControlFileData` (src/include/catalog/pg_control.h): 64 and 32 bits. */
const NEXT_XID_AT = 64;
const OLDEST_XID_AT = 84;
/** The checksum is the last field, and what lies before it is of this size at least. */
const CRC_AT_LEAST = 200;
/** A segment of pg_xact: 32 pages of 8 KB with two bits an id. */
const XIDS_PER_SEGMENT = 32 * 8192 * 4;

/** Restarts the cluster, in which only the database `postgres` may be used then. */
export async function setNextXid(cluster: Cluster, nextXid: bigint): Promise<void> {
  // What is there already must not seem to come from the future.
  const sql = postgres(cluster.url(), { max: 1 });
  await sql`VACUUM FREEZE`;
  await sql.end();
  await cluster.stop();
  const path = join(cluster.dataDir, "global/pg_control");
  const control = await Deno.readFile(path);
  patchControl(control, nextXid);
  await Deno.writeFile(path, control);
  await makeTransactionStates(cluster.dataDir, nextXid);
  await cluster.start();
}

function patchControl(control: Uint8Array, nextXid: bigint): void {
  const view = new DataView(control.buffer);
  let crcAt = CRC_AT_LEAST;
  while (view.getUint32(crcAt, true) !== crc32c(control.subarray(0, crcAt))) crcAt += 4;
  view.setBigUint64(NEXT_XID_AT, nextXid, true);
  view.setUint32(OLDEST_XID_AT, Number((nextXid - 1_000_000n) & 0xffff_ffffn), true);
  view.setUint32(crcAt, crc32c(control.subarray(0, crcAt)), true);
}

/** The segment of pg_xact for the id: nothing has made it, since no id before was given out. */
async function makeTransactionStates(dataDir: string, xid: bigint): Promise<void> {
  const number = Math.floor(Number(xid & 0xffff_ffffn) / XIDS_PER_SEGMENT);
  const name = number.toString(16).toUpperCase().padStart(4, "0");
  const path = join(dataDir, "pg_xact", name);
  await Deno.writeFile(path, new Uint8Array(XIDS_PER_SEGMENT / 4), { mode: 0o600 });
  const { uid, gid } = await Deno.stat(dataDir);
  if (uid !== null && gid !== null) await Deno.chown(path, uid, gid);
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >>> 1 ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

function crc32c(bytes: Uint8Array): number {
  let crc = ~0;
  for (const byte of bytes) crc = crc >>> 8 ^ CRC_TABLE[(crc ^ byte) & 0xff];
  return ~crc >>> 0;
}
