/** One thing that the doctor has found. */

export type Severity = "ok" | "warning" | "error";

export interface Finding {
  /** Such as `wal_level`: fixed names that scripts can go by. */
  readonly check: string;
  readonly severity: Severity;
  /** What was found. */
  readonly found: string;
  /** What follows from it; empty when all is well. */
  readonly meaning: string;
  /** SQL or settings that mend it; empty when there is nothing to mend. */
  readonly mend: string;
}

export interface DoctorOptions {
  /** The publication and replica identities are left to the operator. */
  readonly isManual: boolean;
  /** Our own limit of the WAL that the slot may retain. */
  readonly maxRetainedBytes: number | undefined;
}

export function ok(check: string, found: string): Finding {
  return { check, severity: "ok", found, meaning: "", mend: "" };
}

export function warning(check: string, found: string, meaning: string, mend: string): Finding {
  return { check, severity: "warning", found, meaning, mend };
}

export function fault(check: string, found: string, meaning: string, mend: string): Finding {
  return { check, severity: "error", found, meaning, mend };
}
