export type Release = () => Promise<unknown>;

/** What was opened, to be closed in reverse order. */
export interface Releases {
  /** What is opened after the end is closed at once: nothing that was late is left behind. */
  add(release: Release): void;
  /** Goes on past a failure and rejects with the first one. */
  releaseAll(): Promise<void>;
}

export function createReleases(): Releases {
  const pending: Release[] = [];
  let isOver = false;
  return {
    add(release) {
      if (isOver) void release().catch(() => {});
      else pending.push(release);
    },
    async releaseAll() {
      const failures: unknown[] = [];
      for (let release = pending.pop(); release; release = pending.pop())
        await release().catch((error: unknown) => failures.push(error));
      isOver = true;
      if (failures.length > 0) throw failures[0];
    },
  };
}
