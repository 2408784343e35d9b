/** Bytes that this process holds for one principal at once, by accounts: each body, session and connection has one. */
export interface HeldBytes {
  open(userKey: string): ByteAccount;
  /** Of all principals together, for metrics. */
  readonly total: number;
}

export interface ByteAccount {
  /** Counts so many bytes more. False, and nothing is counted, when the principal would hold more than it may. */
  take(bytes: number): boolean;
  give(bytes: number): void;
  /** Gives back what is left and takes no more. May be called twice. */
  close(): void;
}

/** What an entry costs besides its text: an id, an object, a place in a map. An estimate. */
export const ENTRY_BYTES = 200;

/** A principal that holds nothing takes no memory here. */
export function createHeldBytes(most: number): HeldBytes {
  const held = new Map<string, number>();
  let total = 0;
  const add = (userKey: string, bytes: number) => {
    const sum = (held.get(userKey) ?? 0) + bytes;
    total += bytes;
    if (sum > 0) held.set(userKey, sum);
    else held.delete(userKey);
  };
  return {
    open(userKey) {
      let own = 0;
      let isClosed = false;
      const change = (bytes: number) => {
        own += bytes;
        add(userKey, bytes);
      };
      return {
        take(bytes) {
          if (isClosed || (held.get(userKey) ?? 0) + bytes > most) return false;
          change(bytes);
          return true;
        },
        give: (bytes) => change(-Math.min(bytes, own)),
        close() {
          isClosed = true;
          change(-own);
        },
      };
    },
    get total() {
      return total;
    },
  };
}
