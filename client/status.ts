/** What `GET /v1/status` says, as far as a client cares. */

/**
 * `live`: changes arrive as they are made. `fallback`: the server asks Postgres now and then instead,
 * so changes arrive a few seconds late. `starting`: the server can't reach Postgres; what it holds is
 * served, and nothing new arrives.
 */
export type FallbackMode = "live" | "fallback" | "starting";

const MODES: readonly string[] = ["live", "fallback", "starting"] satisfies FallbackMode[];
const STATUS_PATH = "/v1/status";

/** The mode in a parsed answer; undefined if it is not a status, such as a proxy's error page. */
export function parseStatus(answer: unknown): FallbackMode | undefined {
  if (typeof answer !== "object" || answer === null || !("status" in answer)) return undefined;
  return isMode(answer.status) ? answer.status : undefined;
}

function isMode(value: unknown): value is FallbackMode {
  return typeof value === "string" && MODES.includes(value);
}

/**
 * The address of the status beside a shape's: `…/v1/shape?table=items` gives `…/v1/status`. An
 * address without a path counts as the server's own. Throws `TypeError` if it is not absolute.
 */
export function statusUrlFor(url: string | URL): string {
  const shapeUrl = new URL(url);
  const isServer = shapeUrl.pathname === "/";
  return new URL(isServer ? STATUS_PATH : "status", shapeUrl).href;
}
