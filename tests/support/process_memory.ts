/** Memory of a process, as the Linux kernel counts it. */

export interface ProcessMemory {
  /** Resident now, in bytes. */
  readonly residentBytes: number;
  /** The most that was ever resident, in bytes. */
  readonly peakBytes: number;
}

/** Throws `Deno.errors.NotFound` when there is no such process, or no /proc. */
export function readMemory(pid: number): ProcessMemory {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  const kilobytes = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1]);
  return { residentBytes: 1024 * kilobytes("VmRSS"), peakBytes: 1024 * kilobytes("VmHWM") };
}

export function megabytes(bytes: number): number {
  return Math.round(bytes / 1e6);
}
