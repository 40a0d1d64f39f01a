/** What the doctor found, for people and for programs. */

import type { Finding, Severity } from "../../replication/doctor_finding.ts";
import { formatNumberOf } from "../quantities.ts";
import { redact } from "../redact.ts";
import { escapeControls, type Paint, type Style } from "../terminal.ts";

const SIGNS: Readonly<Record<Severity, readonly [word: string, style: Style]>> = {
  ok: ["ok", "green"],
  warning: ["warning", "yellow"],
  error: ["error", "red"],
};

const WORD_WIDTH = 8, CHECK_WIDTH = 23;

/** A line a finding, and below it what it means and what mends it. */
export function formatDoctor(findings: readonly Finding[], paint: Paint): string {
  const lines = findings.flatMap(({ severity, check, found, meaning, mend }) => {
    const [word, style] = SIGNS[severity];
    const indent = " ".repeat(WORD_WIDTH);
    return [
      `${paint(style, word.padEnd(WORD_WIDTH))}${check.padEnd(CHECK_WIDTH)}${shown(found)}`,
      ...meaning ? [`${indent}${shown(meaning)}`] : [],
      ...mend ? [`${indent}${paint("cyan", `→ ${shown(mend)}`)}`] : [],
    ];
  });
  return `${lines.join("\n")}\n\n${formatVerdict(findings, paint)}\n`;
}

function formatVerdict(findings: readonly Finding[], paint: Paint): string {
  const [errors, warnings] = [countOf(findings, "error"), countOf(findings, "warning")];
  const counts = `${formatNumberOf(errors, "error")}, ${formatNumberOf(warnings, "warning")}`;
  if (errors > 0) return paint("red", `Not ready: ${counts}`);
  return paint(warnings > 0 ? "yellow" : "green", `Ready: ${counts}`);
}

/** `{"ready":…,"errors":…,"warnings":…,"findings":[…]}`; ends with a newline. */
export function formatDoctorJson(findings: readonly Finding[]): string {
  const errors = countOf(findings, "error"), warnings = countOf(findings, "warning");
  const shownFindings = findings.map(({ check, severity, found, meaning, mend }) => ({
    check,
    severity,
    found: redact(found),
    meaning,
    mend,
  }));
  const report = { ready: errors === 0, errors, warnings, findings: shownFindings };
  return `${JSON.stringify(report, null, 2)}\n`;
}

function countOf(findings: readonly Finding[], severity: Severity): number {
  return findings.filter((finding) => finding.severity === severity).length;
}

function shown(text: string): string {
  return escapeControls(redact(text));
}
