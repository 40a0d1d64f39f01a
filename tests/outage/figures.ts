/** What is found out about a case, and how it is judged. All times in seconds unless named otherwise. */

export interface Share {
  readonly answered: number;
  readonly asked: number;
}

export interface CaseFigures {
  readonly id: string;
  readonly title: string;
  /** How long the cause lasted. */
  readonly causeS: number;
  /** Requests sent while Postgres answered queries. */
  readonly catchUp: Share;
  readonly newClient: Share;
  readonly newShape: Share;
  /** Requests of existing shapes sent while it did not. */
  readonly withoutPostgres: Share;
  /** How requests failed while Postgres answered: `503`, `timeout`, `network`, …, and how often. */
  readonly failures: Readonly<Record<string, number>>;
  /** Of the clients that the case judges, and of all. */
  readonly staleLiveS: number;
  readonly staleAnyLiveS: number;
  /** NaN if no new client was answered. */
  readonly staleNewS: number;
  /** From the cause's end until the status said live; undefined: not within the limit. */
  readonly recoveryS: number | undefined;
  /** The server has no status: recovery is when all live clients had seen a write made afterwards. */
  readonly isStatusMissing: boolean;
  /** From the cause's end until all live clients had seen a write made afterwards. */
  readonly freshS: number | undefined;
  /** Missing or with old values in the end, over all clients. */
  readonly lost: number;
  /** Inserted twice, or held though not in the table, over all clients. */
  readonly duplicated: number;
  /** Clients that were sent back to start. */
  readonly sentBack: number;
  /** What the status said, in order, with the second since the cause began. */
  readonly statuses: readonly string[];
  readonly notes: readonly string[];
}

export interface Requirements {
  readonly intervalS: number;
}

const STALENESS_OVER_INTERVAL_S = 1;
const RECOVERY_MAX_S = 2;

/** In what the case falls short of what is required, in words; nothing if it passed. */
export function judge(figures: CaseFigures, { intervalS }: Requirements): string[] {
  const faults: string[] = [];
  const { catchUp, newClient, newShape } = figures;
  const shares = { "catch-up": catchUp, "new client": newClient, "new shape": newShape };
  for (const [kind, { answered, asked }] of Object.entries(shares)) {
    if (asked === 0) faults.push(`no ${kind} request was sent`);
    else if (answered < asked) {
      faults.push(`${asked - answered} of ${asked} ${kind} requests unanswered`);
    }
  }
  const staleMaxS = intervalS + STALENESS_OVER_INTERVAL_S;
  if (figures.staleLiveS > staleMaxS) faults.push(`live ${figures.staleLiveS.toFixed(1)} s stale`);
  if (figures.staleNewS > staleMaxS) {
    faults.push(`new client ${figures.staleNewS.toFixed(1)} s stale`);
  }
  if (Number.isNaN(figures.staleNewS)) faults.push("no new client was seen");
  if (figures.recoveryS === undefined) faults.push("not live again");
  else if (figures.recoveryS > RECOVERY_MAX_S) {
    faults.push(`live again after ${figures.recoveryS.toFixed(1)} s`);
  }
  if (figures.freshS === undefined) faults.push("clients not fresh again");
  if (figures.lost > 0) faults.push(`${figures.lost} rows lost`);
  if (figures.duplicated > 0) faults.push(`${figures.duplicated} rows duplicated`);
  if (figures.sentBack > 0) faults.push(`${figures.sentBack} clients sent back`);
  return faults;
}
