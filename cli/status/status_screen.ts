/** The status as a person reads it. */

import { formatBytes, formatCount, formatDuration, formatRate } from "../quantities.ts";
import {
  explainReason,
  type Fields,
  numberIn,
  type StatusView,
  textIn,
} from "./status_document.ts";
import { escapeControls, type Paint, type Style } from "../terminal.ts";

const MODE_STYLES: Readonly<Record<StatusView["mode"], Style>> = {
  live: ["bold", "green"],
  fallback: ["bold", "yellow"],
  starting: ["bold", "red"],
};

const LABEL_WIDTH = 13;

/** Where the admin API has said nothing. */
const MORE = "requests, storage and memory with --secret, or ELECTRIC_SECRET";

/** Lines without their newlines. */
export function formatStatus(
  view: StatusView,
  url: string,
  nowMs: number,
  paint: Paint,
): readonly string[] {
  const rows: readonly (readonly [label: string, text: string | undefined])[] = [
    ["replication", describeReplication(view)],
    ["slot", view.slot && describeSlot(view.slot)],
    ["publication", view.process?.publication && describePublication(view.process.publication)],
    ["connection", view.connection],
    ["shapes", describeShapes(view)],
    ["requests", view.process && describeRequests(view.process.requests)],
    ["storage", view.process && describeStorage(view.process.storage)],
    ["memory", view.process && describeMemory(view.process.memory)],
    ["version", view.version],
    ["server", url],
    ["more", view.process ? undefined : MORE],
  ];
  return [
    ...describeMode(view, nowMs, paint),
    ...rows.filter(([, text]) => text !== undefined).map(([label, text = ""]) =>
      `${paint("gray", label.padEnd(LABEL_WIDTH))}${escapeControls(text)}`
    ),
  ];
}

/** What stands in its place when there is no answer. */
export function formatUnreachable(message: string, paint: Paint): readonly string[] {
  // A sentence a line, for narrow terminals.
  const sentences = escapeControls(message).split(/(?<=[:.]) /);
  return [paint(["bold", "red"], "unreachable"), ...sentences];
}

function describeMode(
  { mode, sinceMs, reason }: StatusView,
  nowMs: number,
  paint: Paint,
): readonly string[] {
  const time = sinceMs === undefined
    ? ""
    : `  for ${formatDuration(nowMs - sinceMs)}, since ${formatTime(sinceMs)}`;
  const head = `${paint(MODE_STYLES[mode], mode)}${paint("gray", time)}`;
  if (reason === undefined) return [head];
  const explanation = explainReason(reason);
  const text = `${escapeControls(reason)}${explanation ? `: ${explanation}` : ""}`;
  return [head, `${paint("gray", "reason".padEnd(LABEL_WIDTH))}${text}`];
}

/** `2026-05-01 12:00:00 UTC`. */
function formatTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

function describeReplication({ isReplicating, replication }: StatusView): string | undefined {
  if (isReplicating === undefined) return undefined;
  const bytes = numberIn(replication, "lag_bytes");
  const seconds = numberIn(replication, "lag_seconds");
  const lag = [
    ...bytes === undefined ? [] : [formatBytes(bytes)],
    ...seconds === undefined ? [] : [formatDuration(seconds * 1000)],
  ];
  const age = numberIn(replication, "last_progress_age_seconds");
  return [
    isReplicating ? "running" : "not running",
    ...lag.length > 0 ? [`${lag.join(" and ")} behind`] : [],
    ...age === undefined ? [] : [`last heard of ${formatDuration(age * 1000)} ago`],
  ].join(", ");
}

function describeSlot(slot: Fields): string {
  const retained = numberIn(slot, "retained_bytes");
  const budget = numberIn(slot, "budget_bytes");
  const safe = numberIn(slot, "safe_wal_bytes");
  const limit = budget === undefined ? "no limit" : `of ${formatBytes(budget)} allowed`;
  const parts = [textIn(slot, "state"), textIn(slot, "wal_status")];
  if (retained !== undefined) parts.push(`retains ${formatBytes(retained)} of WAL (${limit})`);
  if (safe !== undefined) parts.push(`${formatBytes(safe)} until it is lost`);
  return parts.filter((part) => part !== undefined).join(", ");
}

/** `210: 200 live, 4 reconciling`; those of which there are none are left out. */
function describeShapes({ shape, shapes }: StatusView): string | undefined {
  const total = shapes && numberIn(shapes, "total");
  if (!shapes || total === undefined) return shape;
  const counts = Object.keys(shapes).filter((name) => name !== "total")
    .map((name) => [name, numberIn(shapes, name) ?? 0] as const)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${formatCount(count)} ${name}`);
  const state = shape === undefined || shape === "up" ? "" : ` (${shape.replace("_", "-")})`;
  return `${formatCount(total)}${counts.length > 0 ? `: ${counts.join(", ")}` : ""}${state}`;
}

function describePublication(publication: Fields): string {
  return joinKnown([textIn(publication, "name"), textIn(publication, "state")]) ?? "";
}

/** `41.3 a second for shapes, 57 waiting for news`. */
function describeRequests(requests: Fields): string | undefined {
  const rate = numberIn(requests, "per_second"), held = numberIn(requests, "held");
  return joinKnown([
    rate === undefined ? undefined : `${formatRate(rate)} a second for shapes`,
    held === undefined ? undefined : `${formatCount(held)} waiting for news`,
  ]);
}

function describeStorage(storage: Fields): string | undefined {
  const used = numberIn(storage, "used_bytes"), queued = numberIn(storage, "queued_bytes");
  return joinKnown([
    used === undefined ? "in memory" : formatBytes(used),
    queued === undefined ? undefined : `${formatBytes(queued)} not yet durable`,
  ]);
}

function describeMemory(memory: Fields): string | undefined {
  const resident = numberIn(memory, "resident_bytes"), heap = numberIn(memory, "heap_used_bytes");
  return joinKnown([
    resident === undefined ? undefined : formatBytes(resident),
    heap === undefined ? undefined : `heap ${formatBytes(heap)}`,
  ]);
}

function joinKnown(parts: readonly (string | undefined)[]): string | undefined {
  return parts.filter((part) => part !== undefined).join(", ") || undefined;
}
