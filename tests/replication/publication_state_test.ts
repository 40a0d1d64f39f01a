import assert from "node:assert/strict";
import {
  identifySql,
  type LeafState,
  planPreparation,
  type PublicationState,
  publicationStateSql,
  publishSql,
  type TableState,
} from "../../replication/publication_state.ts";
import type { Table } from "../../shapes/table.ts";

const TABLE: Table = {
  schema: "s",
  name: "t",
  oid: 7,
  kind: "ordinary",
  columns: [],
  partitions: [],
  attached: [],
};
const LEAF: LeafState = { oid: 7, schema: "s", name: "t", isOwned: true, isFull: true };
const PREPARED: TableState = {
  oid: 7,
  schema: "s",
  name: "t",
  isOwned: true,
  isLogged: true,
  hasStoredGenerated: false,
  isPublished: true,
  publishedXid: "700",
  isPartial: false,
  leaves: [LEAF],
};
const OWNED: PublicationState["publication"] = { isOwned: true, generated: null };

function plan(
  table: Partial<TableState>,
  options: { isManual?: boolean; publication?: PublicationState["publication"] } = {},
) {
  const { isManual = false, publication = OWNED } = options;
  const state = { publication, tables: [{ ...PREPARED, ...table }] };
  return planPreparation(TABLE, state, { publication: "p", isManual });
}

const NOT_FULL = { ...LEAF, isFull: false };

Deno.test("planPreparation() has nothing to alter when all is well", () => {
  for (const isManual of [true, false]) {
    assert.deepEqual(plan({}, { isManual }), { kind: "alter", isPublishing: false, identify: [] });
  }
});

Deno.test("planPreparation() publishes and identifies what is missing", () => {
  assert.deepEqual(plan({ isPublished: false, leaves: [NOT_FULL, LEAF] }), {
    kind: "alter",
    isPublishing: true,
    identify: [NOT_FULL],
  });
});

Deno.test("planPreparation() sees that the table went or has another name", () => {
  const state = { publication: OWNED, tables: [] };
  const options = { publication: "p", isManual: false };
  assert.deepEqual(planPreparation(TABLE, state, options), { kind: "changed" });
  assert.deepEqual(plan({ name: "u" }), { kind: "changed" });
  assert.deepEqual(plan({ schema: "u" }), { kind: "changed" });
});

/** What the catalog says → the refusal. */
const REFUSALS: readonly (readonly [
  table: Partial<TableState>,
  options: Parameters<typeof plan>[1],
  message: RegExp,
])[] = [
  [{}, { publication: null }, /^Publication "p" not found in the database$/],
  [{ isLogged: false }, {}, /"s\.t" is unlogged.* Run: ALTER TABLE "s"\."t" SET LOGGED$/],
  [{ isPartial: true }, {}, /^Publication "p" has a row filter or a column list/],
  [
    { hasStoredGenerated: true },
    { publication: { isOwned: true, generated: "n" } },
    /Run: ALTER PUBLICATION "p" SET \(publish_generated_columns = stored\)$/,
  ],
  [{ isPublished: false }, { isManual: true }, /ELECTRIC_MANUAL_TABLE_PUBLISHING/],
  [{ isPublished: false, isOwned: false }, {}, /lacks privileges to add it/],
  [
    { isPublished: false },
    { publication: { isOwned: false, generated: null } },
    /lacks privileges to add it. Run: ALTER PUBLICATION "p" ADD TABLE "s"\."t"$/,
  ],
  [
    { leaves: [NOT_FULL] },
    { isManual: true },
    /"s\.t" does not have its replica identity set to FULL/,
  ],
  [{ leaves: [LEAF, { ...NOT_FULL, isOwned: false }] }, {}, /REPLICA IDENTITY FULL$/],
];

Deno.test("planPreparation() refuses with what is missing and how to mend it", () => {
  for (const [table, options, message] of REFUSALS) {
    const refused = plan(table, options);
    assert.equal(refused.kind, "refuse", `${message}`);
    if (refused.kind === "refuse") assert.match(refused.message, message);
  }
});

Deno.test("planPreparation() accepts generated columns where they are published or can't be", () => {
  for (const generated of ["s", null] as const) {
    const publication = { isOwned: true, generated };
    assert.equal(plan({ hasStoredGenerated: true }, { publication }).kind, "alter");
  }
});

Deno.test("publicationStateSql() asks older servers nothing that they don't know", () => {
  assert(!publicationStateSql("p", [1], 140_000).includes("pg_publication_namespace"));
  assert(publicationStateSql("p", [1], 150_000).includes("pg_publication_namespace"));
});

Deno.test("publishSql() and identifySql() leave inheritance children out and quote names", () => {
  const odd = { ...TABLE, schema: "a b", name: `c"` };
  assert.equal(
    publishSql(`p"`, [TABLE, odd]),
    `ALTER PUBLICATION "p""" ADD TABLE ONLY "s"."t", ONLY "a b"."c"""`,
  );
  assert.equal(identifySql(LEAF), `ALTER TABLE ONLY "s"."t" REPLICA IDENTITY FULL`);
});
