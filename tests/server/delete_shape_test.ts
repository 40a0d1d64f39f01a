import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { InvalidRequestError } from "../../shapes/errors.ts";
import { LIVE, STARTING } from "./fake_service.ts";
import { openHarness } from "./harness.ts";

const ALLOWED = { isDeleteAllowed: true };
const DELETE = { method: "DELETE" };

Deno.test("DELETE drops a shape named by definition, by handle or by both", async () => {
  for (const query of ["table=items", "handle=h-items", "table=items&handle=h-items"]) {
    const { send, service } = openHarness(ALLOWED);
    const response = await send(`/v1/shape?${query}`, DELETE);
    equal(response.status, 202, query);
    equal(await response.text(), "");
    equal(response.headers.get("electric-has-data"), "true");
    equal(response.headers.get("cache-control"), "no-cache");
    equal(response.headers.get("content-type"), "application/json; charset=utf-8");
    deepEqual(service.dropped, ["h-items"]);
    equal((await send(`/v1/shape?${query}`, DELETE)).status, 404);
  }
});

const MISMATCH =
  "The specified shape definition and handle do not match. Please ensure the shape definition is correct or omit the shape handle from the request to obtain a new one.";

const REFUSED: [string, number, unknown][] = [
  ["", 400, {
    message: "Invalid request",
    errors: { handle: ["can't be blank when shape definition is missing"] },
  }],
  ["table=others", 404, { message: "No existing shape found" }],
  ["handle=unknown", 404, { message: "No existing shape found" }],
  ["table=items&handle=1-1", 400, { message: MISMATCH }],
  ["table=items&live=banana", 400, {
    message: "Invalid request",
    errors: { live: ["is invalid"] },
  }],
];

for (const [query, status, body] of REFUSED) {
  Deno.test(`DELETE of "${query}" is answered ${status}`, async () => {
    const { send, service } = openHarness(ALLOWED);
    const response = await send(`/v1/shape?${query}`, DELETE);
    equal(response.status, status);
    deepEqual(await response.json(), body);
    equal(response.headers.get("cache-control"), "no-cache");
    equal(response.headers.has("surrogate-control"), false);
    deepEqual(service.dropped, []);
  });
}

Deno.test("DELETE answers mistakes in the definition", async () => {
  const { send, service } = openHarness(ALLOWED);
  service.findError = new InvalidRequestError({ where: ["bad"] });
  const response = await send("/v1/shape?table=items&where=x", DELETE);
  equal(response.status, 400);
  deepEqual((await response.json()).errors, { where: ["bad"] });
});

Deno.test("DELETE is refused unless it is allowed, before anything is looked at", async () => {
  const { send, service } = openHarness();
  for (const query of ["", "table=items", "handle=h-items"]) {
    const response = await send(`/v1/shape?${query}`, DELETE);
    equal(response.status, 405);
    equal(await response.text(), '{"message":"DELETE not allowed"}');
    equal(response.headers.get("cache-control"), "no-cache");
  }
  deepEqual(service.dropped, []);
});

Deno.test("DELETE waits for the service", async () => {
  const { send, service } = openHarness(ALLOWED);
  service.mode = STARTING;
  const refused = await send("/v1/shape?table=items", DELETE);
  equal(refused.status, 503);
  equal(refused.headers.get("retry-after"), "5");
  service.onWait = () => service.mode = LIVE;
  equal((await send("/v1/shape?table=items", DELETE)).status, 202);
});
