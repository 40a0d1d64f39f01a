/** Etags and their comparison (WIRE.md 3.4). Texts here are without the quotes. */

/**
 * A cache that is told "not modified" keeps the headers that it stored (RFC 9111, 4.3.4), so an
 * answer that says "fallback" and one that does not never have the same etag.
 */
export function formatEtag(
  handle: string,
  since: string,
  until: string,
  isFallback = false,
): string {
  return isFallback ? `${handle}:${since}:${until}:fallback` : `${handle}:${since}:${until}`;
}

/** The etag of an answer without changes: it must never match again. */
export function formatUniqueEtag(handle: string, since: string, until: string, unique: number) {
  return `${handle}:${since}:${until}:${unique}`;
}

/** Strong comparison with each entry of an `If-None-Match` header; `*` and weak ones never match. */
export function matchesEtag(ifNoneMatch: string, etag: string): boolean {
  return ifNoneMatch.split(",").some((entry) => {
    const text = entry.trim();
    return text.replace(/^"+|"+$/g, "") === etag;
  });
}
