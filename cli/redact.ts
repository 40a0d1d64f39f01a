/** Keeps passwords and secrets out of everything that people read. */

const MASK = "***";
/** `scheme://user:password@`; the password may hold unescaped "@" and "/". */
const URL_PASSWORD = /\b([a-z][a-z0-9+.-]*:\/\/[^\s:/?#@]*):[^\s?#]*@/gi;
/** `password=…`, `secret=…`, `api_secret=…` in query strings and connection strings. */
const NAMED_SECRET = /\b(password|(?:api_)?secret)=[^&\s"']+/gi;

/** Masks passwords of URLs and values of parameters that are named like secrets. */
export function redact(text: string): string {
  if (!text.includes("=") && !text.includes("://")) return text;
  return text.replace(URL_PASSWORD, `$1:${MASK}@`).replace(NAMED_SECRET, `$1=${MASK}`);
}

/** What is shown instead of a value that is secret as a whole. */
export function redactAll(): string {
  return MASK;
}
