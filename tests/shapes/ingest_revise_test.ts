import { deepStrictEqual as deepEqual, strictEqual as equal, throws } from "node:assert/strict";
import fc from "fast-check";
import type { Visibility } from "../../shapes/ports.ts";
import type { Shape } from "../../shapes/shape.ts";
import { isInSnapshot } from "../../shapes/visibility.ts";
import { check } from "../support/arbitrary.ts";
import { begin, Changes, commit, IngestWorld, logItems } from "../support/ingest_world.ts";
import { EMPTY_VISIBILITY } from "../support/scripted_source.ts";
import { table } from "../support/shape_fixture.ts";

const items = new Changes();
const lsnOf = (number: number) => 100 * (number + 1);
const xidOf = (number: number) => 700 + number;

/** What a snapshot sees right after the first transactions, but for one that is not over yet. */
function seen(count: number, open?: number): Visibility {
  const inProgress = open === undefined ? [] : [BigInt(xidOf(open))];
  const xmax = BigInt(xidOf(count));
  return { xmin: inProgress[0] ?? xmax, xmax, inProgress, walPosition: BigInt(lsnOf(count)) };
}

const lsns = (shape: Shape) => [...new Set(logItems(shape).map(({ headers }) => headers.lsn))];

/** One transaction of the stream, with what happens in the middle of it. */
function bring(world: IngestWorld, number: number, meanwhile: () => void = () => {}): void {
  const insert = (id: string) => items.insert(id, null, null);
  world.accept(begin(lsnOf(number), xidOf(number)), items.announced, insert(`${number}a`));
  meanwhile();
  world.accept(insert(`${number}b`), commit(lsnOf(number) + 8));
}

Deno.test("Ingest.revise() leaves the open transaction out that a new snapshot has seen, all of it", () => {
  const world = new IngestWorld();
  const [revised, other] = [world.shape(table()), world.shape(table())];
  bring(world, 0, () => world.ingest.revise(revised, seen(1), undefined));
  bring(world, 1);
  deepEqual(lsns(revised), ["200"]);
  deepEqual(lsns(other), ["100", "200"]);
});

Deno.test("Ingest.revise() counts for the transactions that come after it, up to where it has seen them", () => {
  const world = new IngestWorld();
  const shape = world.shape(table());
  bring(world, 0);
  // Far ahead of the stream, twice: the second time with a transaction that is not over.
  world.ingest.revise(shape, seen(3), undefined);
  for (const number of [1, 2, 3]) bring(world, number);
  deepEqual(lsns(shape), ["100", "400"]);
  world.ingest.revise(shape, seen(7, 5), undefined);
  for (const number of [4, 5, 6, 7]) bring(world, number);
  deepEqual(lsns(shape), ["100", "400", "600", "800"]);
});

Deno.test("Ingest.revise() may go back to what was seen before", () => {
  const world = new IngestWorld();
  const shape = world.shape(table());
  world.ingest.revise(shape, seen(3), undefined);
  world.ingest.revise(shape, EMPTY_VISIBILITY, undefined);
  bring(world, 0);
  deepEqual(lsns(shape), ["100"]);
});

Deno.test("a shape's visibility changes by Ingest.revise(), or the stream would not be asked", () => {
  const world = new IngestWorld();
  const shape = world.shape(table());
  throws(() => shape.markVisible(seen(3)), TypeError);
  equal(shape.visibility, EMPTY_VISIBILITY);
});

const steps = fc.array(
  fc.record({
    shape: fc.nat(2),
    /** How far the snapshot is ahead of the stream. */
    ahead: fc.nat(4),
    isOneOpen: fc.boolean(),
    when: fc.constantFrom("never", "never", "before", "meanwhile", "stream restarts"),
  }),
  { minLength: 1, maxLength: 30 },
);

Deno.test("I5: Ingest: a log has what its last snapshot has not seen, whenever that was taken", () => {
  check(fc.property(steps, (script) => {
    const world = new IngestWorld();
    const shapes = [0, 1, 2].map(() => world.shape(table()));
    const expected = shapes.map((): string[] => []);
    script.forEach(({ shape: which, ahead, isOneOpen, when }, number) => {
      const shape = shapes[which];
      const revise = () => {
        // A later snapshot sees all that an earlier one has seen.
        const least = Number((shape.visibility?.walPosition ?? 0n) / 100n);
        const count = Math.max(number + ahead, least);
        const open = isOneOpen && count > least ? count - 1 : undefined;
        world.ingest.revise(shape, seen(count, open), undefined);
      };
      if (when === "before") revise();
      if (when === "stream restarts") world.ingest.restart(BigInt(lsnOf(Math.max(0, number - 2))));
      bring(world, number, when === "meanwhile" ? revise : undefined);
      const transaction = { xid: xidOf(number), commitLsn: BigInt(lsnOf(number)) };
      shapes.forEach(({ visibility }, i) => {
        if (!visibility || !isInSnapshot(visibility, transaction)) {
          expected[i].push(`${lsnOf(number)}`);
        }
      });
    });
    deepEqual(shapes.map(lsns), expected);
  }));
});
