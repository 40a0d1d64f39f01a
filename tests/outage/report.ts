/** The figures as text and as a table. Pure. */

import { type CaseFigures, judge, type Requirements, type Share } from "./figures.ts";
import { REFERENCE } from "./reference.ts";

/** A few lines about a case, as soon as it is over. */
export function formatCase(figures: CaseFigures, faults: readonly string[]): string {
  const lines = [
    `${figures.id}. ${figures.title}: ${faults.length === 0 ? "passed" : faults.join(", ")}`,
    `   answered ${formatAnswered(figures)}; stale ${formatStale(figures)} s; ` +
    `live again ${formatRecovery(figures)} s, fresh ${
      formatSeconds(figures.freshS)
    } s after the end`,
  ];
  const failures = Object.entries(figures.failures).map(([kind, count]) => `${kind}×${count}`);
  if (failures.length > 0) lines.push(`   failures: ${failures.join(" ")}`);
  if (!figures.isStatusMissing) lines.push(`   status: ${figures.statuses.join(" → ")}`);
  for (const note of figures.notes) lines.push(`   note: ${note}`);
  return lines.join("\n");
}

const HEAD = [
  "case",
  "cause s",
  "answered: catch-up / new client / new shape",
  "without Postgres",
  "stalest s: live / new client",
  "live again after s",
  "fresh after s",
  "rows lost / duplicated",
  "clients sent back",
  "verdict",
];

/** A Markdown table, one row a case. */
export function formatTable(results: readonly CaseFigures[], requirements: Requirements): string {
  const rows = results.map((figures) => {
    const faults = judge(figures, requirements);
    return [
      `${figures.id}. ${figures.title}`,
      formatSeconds(figures.causeS),
      formatAnswered(figures),
      formatShare(figures.withoutPostgres),
      formatStale(figures),
      formatRecovery(figures),
      formatSeconds(figures.freshS),
      `${figures.lost} / ${figures.duplicated}`,
      `${figures.sentBack}`,
      faults.length === 0 ? "passed" : faults.join("; "),
    ];
  });
  return formatRows(HEAD, rows);
}

/** The reference server's figures for the same outages, by case. */
export function formatReference(): string {
  const head = [
    "case",
    "answered: catch-up / new client",
    "stalest s: live / new client",
    "fresh after s: live / new client",
    "clients sent back",
    "remarks",
  ];
  return formatRows(
    head,
    REFERENCE.map((row) => [
      `${row.id}. ${row.title}`,
      row.answered,
      row.stalest,
      row.fresh,
      row.sentBack,
      row.remarks,
    ]),
  );
}

function formatRows(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

function formatAnswered({ catchUp, newClient, newShape }: CaseFigures): string {
  return [catchUp, newClient, newShape].map(formatShare).join(" / ");
}

/** Never 100 % when something is missing. */
export function formatShare({ answered, asked }: Share): string {
  return asked === 0 ? "-" : `${Math.floor(answered / asked * 100)} %`;
}

function formatStale({ staleLiveS, staleAnyLiveS, staleNewS }: CaseFigures): string {
  const live = staleAnyLiveS > staleLiveS
    ? `${formatSeconds(staleLiveS)} (${formatSeconds(staleAnyLiveS)})`
    : formatSeconds(staleLiveS);
  return `${live} / ${formatSeconds(staleNewS)}`;
}

/** In parentheses when there is no status to tell. */
function formatRecovery({ recoveryS, isStatusMissing }: CaseFigures): string {
  return isStatusMissing ? `(${formatSeconds(recoveryS)})` : formatSeconds(recoveryS);
}

function formatSeconds(seconds: number | undefined): string {
  if (seconds === undefined) return "never";
  return Number.isNaN(seconds) ? "-" : seconds.toFixed(1);
}
