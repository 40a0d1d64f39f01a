/** A catalog with everything around it but Postgres. */

import { strictEqual as equal } from "node:assert/strict";
import { Catalog } from "../../shapes/catalog.ts";
import { Ingest } from "../../shapes/ingest.ts";
import { PageCache } from "../../shapes/log/page_cache.ts";
import { TailBudget } from "../../shapes/log/tail.ts";
import type { Offset } from "../../shapes/offset.ts";
import type { Shape } from "../../shapes/shape.ts";
import { DrivenStore } from "./driven_store.ts";
import { RULES } from "./ingest_world.ts";
import { parseMessages } from "./log_replayer.ts";
import { ScriptedSource, SilentLogger } from "./scripted_source.ts";
import { request, table } from "./shape_fixture.ts";

/** What a process has; `store` is that of an earlier one. */
export async function start(store = new DrivenStore({ isPrompt: true }), chunkBytes = 120) {
  const source = new ScriptedSource();
  source.tables.push(table());
  source.rows.set(5000, [{ id: "1", n: "10", v: "one" }, { id: "2", n: "20", v: null }]);
  const clock = { nowMs: 1000 };
  const resources = { store, tails: new TailBudget(), pages: new PageCache(), chunkBytes };
  const nowMs = () => clock.nowMs;
  const catalog = new Catalog({ source, resources, logger: new SilentLogger(), nowMs });
  const state = await store.load();
  const ingest = new Ingest({
    store,
    appliedLsn: state.appliedLsn,
    confirm: () => {},
    ancestors: (oid) => source.ancestors(oid),
    shift: state.identity?.shift ?? 0n,
    rotate: (shape, reason, kind) => catalog.rotate(shape, reason, kind),
    lose: (shape, reason) => catalog.lose(shape, reason),
    unprepared: () => {},
    external: {
      evaluate: (request, signal) => source.evaluate(request, signal),
      logger: new SilentLogger(),
      nowMs,
    },
  });
  catalog.restore(state, ingest);
  catalog.setRules(RULES);
  return { source, store, catalog, ingest, clock };
}

/** Resolves when the shape has its whole snapshot. */
export async function complete(shape: Shape): Promise<Shape> {
  while (!shape.isComplete && !shape.isGone) {
    await new Promise<void>((resolve) => shape.watch(resolve));
  }
  equal(shape.isGone, false);
  return shape;
}

export async function made(catalog: Catalog, wish = request()): Promise<Shape> {
  return await complete(await catalog.findOrCreate(wish));
}

export async function everything(shape: Shape): Promise<unknown[]> {
  const pages: unknown[] = [];
  let page = shape.page({ kind: "before" });
  while (page) {
    const pieces: number[] = [];
    if (page.body.kind === "bytes") pieces.push(...page.body.bytes);
    else {
      const body = page.body.open();
      for (let next = await body.next(); !next.done; next = await body.next()) {
        pieces.push(...next.value);
      }
    }
    pages.push([page.until, parseMessages(new Uint8Array(pieces))]);
    if (page.isUpToDate) return pages;
    const offset: Offset = page.until;
    page = shape.page({ kind: "at", offset });
  }
  throw new TypeError("Not complete");
}
