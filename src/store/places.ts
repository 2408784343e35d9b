/** How many runs of one user a process runs at once. Fairness of what starts is not enough: a run may hold its place for a day. */
export interface UserPlaces {
  /** Runs of one user at once. */
  readonly limit: number;
  /** The runs that each user has here now. */
  readonly held: ReadonlyMap<string, number>;
}

/** The places of one claim, which fill as it picks. */
export interface OpenPlaces {
  /** Users who may start no more. */
  readonly full: readonly string[];
  /** How many more runs a user may start. */
  left(userKey: string): number;
  take(userKey: string): void;
  /** What every user who is not full may start. */
  readonly least: number;
}

/** Without `places`, every user may start any number. */
export function openPlaces(places: UserPlaces | undefined): OpenPlaces {
  const limit = places?.limit ?? Number.POSITIVE_INFINITY;
  const held = new Map(places?.held);
  const left = (userKey: string) => limit - (held.get(userKey) ?? 0);
  return {
    get full() {
      return [...held.keys()].filter((userKey) => left(userKey) <= 0);
    },
    left,
    take: (userKey) => void held.set(userKey, (held.get(userKey) ?? 0) + 1),
    get least() {
      return Math.min(limit, ...[...held.keys()].map(left).filter((free) => free > 0));
    },
  };
}
