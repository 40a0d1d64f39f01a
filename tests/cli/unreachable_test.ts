import assert from "node:assert/strict";
import { describeFetchError, explainFetchError } from "../../cli/unreachable.ts";

Deno.test("explainFetchError() says what is wrong and what to do, never a secret", () => {
  const cause = new Error(
    "client error (Connect): tcp connect error: Connection refused (os error 111)",
  );
  assert.equal(
    explainFetchError("http://localhost:3000", new TypeError("failed", { cause })),
    "Can't reach http://localhost:3000: nothing listens there. Start the server, or pass its address with --url",
  );
  const odd = new TypeError(
    "odd failure of http://a:b@h/v1/shape?secret=hush&table=a (os error 9)",
  );
  assert.equal(describeFetchError(odd), "odd failure of http://a:***@h/v1/shape (os error 9)");
});
