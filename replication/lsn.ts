/** Positions in the write-ahead log: bigint inside, `XXXXXXXX/XXXXXXXX` at the edges. */

const GRAMMAR = /^([0-9a-f]{1,8})\/([0-9a-f]{1,8})$/i;

/** Parses the text of a `pg_lsn` ("0/16B3748"). Throws `SyntaxError`. */
export function parseLsn(text: string): bigint {
  const match = GRAMMAR.exec(text);
  if (!match) throw new SyntaxError(`Cannot parse "${text}" as an LSN`);
  return BigInt(`0x${match[1]}`) << 32n | BigInt(`0x${match[2]}`);
}

/** Spells an LSN as Postgres' `%X/%X` does. */
export function formatLsn(lsn: bigint): string {
  if (lsn < 0n || lsn >> 64n !== 0n) throw new RangeError(`LSN ${lsn} does not fit 64 bits`);
  return `${hex(lsn >> 32n)}/${hex(lsn & 0xffffffffn)}`;
}

function hex(word: bigint): string {
  return word.toString(16).toUpperCase();
}
