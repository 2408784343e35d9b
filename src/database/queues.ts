/** Lets through one piece of work of each key at a time, in the order it came. */
export type Queues = <T>(key: string, work: () => Promise<T>) => Promise<T>;

export function createQueues(): Queues {
  const tails = new Map<string, Promise<unknown>>();
  return (key, work) => {
    const before = tails.get(key) ?? Promise.resolve();
    const done = before.then(work);
    const tail = done
      .catch(() => {})
      .then(() => {
        if (tails.get(key) === tail) tails.delete(key);
      });
    tails.set(key, tail);
    return done;
  };
}
