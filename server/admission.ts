/** What a request costs: the first one of a client may make a snapshot, later ones read a log. */
export type AdmissionKind = "initial" | "existing";

/** Limits how many requests of each kind are served at once (WIRE.md 6.4). */
export class Admission {
  readonly #limits: Readonly<Record<AdmissionKind, number>>;
  readonly #held: Record<AdmissionKind, number> = { initial: 0, existing: 0 };
  readonly #refused: Record<AdmissionKind, number> = { initial: 0, existing: 0 };

  constructor(limits: Readonly<Record<AdmissionKind, number>>) {
    this.#limits = limits;
  }

  /** Permits held now. */
  held(kind: AdmissionKind): number {
    return this.#held[kind];
  }

  /** How often the limit was met. */
  refused(kind: AdmissionKind): number {
    return this.#refused[kind];
  }

  limit(kind: AdmissionKind): number {
    return this.#limits[kind];
  }

  /** Undefined when the limit is reached. */
  acquire(kind: AdmissionKind): Permit | undefined {
    return this.#take(kind) ? new Permit(kind, this.#take, this.#giveBack) : undefined;
  }

  readonly #take = (kind: AdmissionKind): boolean => {
    if (this.#held[kind] >= this.#limits[kind]) {
      this.#refused[kind]++;
      return false;
    }
    this.#held[kind]++;
    return true;
  };

  readonly #giveBack = (kind: AdmissionKind): void => {
    this.#held[kind]--;
  };
}

/** One request's place, given back exactly once however often `release` is called. */
export class Permit implements Disposable {
  #kind: AdmissionKind | undefined;
  readonly #take: (kind: AdmissionKind) => boolean;
  readonly #giveBack: (kind: AdmissionKind) => void;

  constructor(
    kind: AdmissionKind,
    take: (kind: AdmissionKind) => boolean,
    giveBack: (kind: AdmissionKind) => void,
  ) {
    this.#kind = kind;
    this.#take = take;
    this.#giveBack = giveBack;
  }

  /** Changes the kind; false, with nothing changed, when the other limit is reached. */
  moveTo(kind: AdmissionKind): boolean {
    if (this.#kind === undefined || this.#kind === kind) return this.#kind === kind;
    if (!this.#take(kind)) return false;
    this.#giveBack(this.#kind);
    this.#kind = kind;
    return true;
  }

  release(): void {
    if (this.#kind === undefined) return;
    this.#giveBack(this.#kind);
    this.#kind = undefined;
  }

  [Symbol.dispose](): void {
    this.release();
  }
}
