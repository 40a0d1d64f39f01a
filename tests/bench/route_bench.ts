/** Finding the shapes that a row concerns: nanoseconds a row, with ever more shapes. */

import assert from "node:assert/strict";
import { rowOfTexts } from "../../shapes/row.ts";
import { Router } from "../../shapes/routing/router.ts";
import { loadParser } from "../../shapes/where/parse.ts";
import type { Where } from "../../shapes/where/where.ts";
import { bytesInUse, type Figures, nsPer, sized, workload } from "./support/bench.ts";

import { fieldIs, placeOf, rowTexts, where } from "./support/sample.ts";

const ROWS = 1_000;

await loadParser();

/** Rows of which each concerns exactly one of the shapes. */
function measure(shapes: number, filter: (number: number) => Where, rowCount = ROWS): Figures {
  const router = new Router<number>(placeOf);
  for (let i = 0; i < shapes; i++) router.add(i, filter(i));
  const rows = Array.from(
    { length: rowCount },
    (_, i) => rowOfTexts(rowTexts(i % shapes, `v${i % shapes}`)),
  );
  let visits = 0;
  const visit = () => void visits++;
  const routeAll = () => rows.forEach((row) => router.route(row, visit));
  routeAll();
  assert.equal(visits, rowCount);
  return { ns_per_row: nsPer(rowCount, routeAll) };
}

/** Bytes that the index takes for each shape, beside the filter itself, which the shape has. */
async function measureMemory(
  shapes: number,
  filter: (number: number) => Where,
): Promise<Figures> {
  const router = new Router<number>(placeOf);
  const filters = Array.from({ length: shapes }, (_, i) => filter(i));
  const before = await bytesInUse();
  for (const [i, each] of filters.entries()) router.add(i, each);
  const bytes = await bytesInUse() - before;
  assert.equal(router.size, filters.length);
  return { bytes_per_shape: bytes / shapes };
}

for (const shapes of [1, 100, 1_000, sized(10_000, 1_001)]) {
  await workload(`field = 'v7', shapes ${shapes}`, () => measure(shapes, fieldIs));
}

/** No index serves these: each shape's filter is evaluated for each row. */
const UNINDEXED = {
  "field ILIKE 'v7'": (number: number) => fieldIs(number, "ilike"),
  "lower(field) LIKE '%v7'": (number: number) => where(`lower(field) LIKE '%v${number}'`),
  "id + 1 = 7": (number: number) => where(`id + 1 = ${number + 1}`),
};
const evaluated = sized(1_000, 50);
for (const [text, condition] of Object.entries(UNINDEXED)) {
  await workload(`${text}, shapes ${evaluated}`, () => {
    const { ns_per_row } = measure(evaluated, condition, 100);
    return { ns_per_row, evaluations_per_s: evaluated / ns_per_row * 1e9 };
  });
}

const MEASURED = {
  "field = 'v7'": (number: number) => fieldIs(number),
  "id > 7 and id < 9": (number: number) => where(`id > ${number} and id < ${number + 2}`),
  "field like 'v7%'": (number: number) => where(`field like 'v${number}%'`),
};
for (const [text, filter] of Object.entries(MEASURED)) {
  const shapes = sized(10_000, 100);
  await workload(`memory: ${text}, shapes ${shapes}`, () => measureMemory(shapes, filter));
}
