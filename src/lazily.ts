type AsyncMethods<T> = { readonly [K in keyof T]: (...args: never[]) => Promise<unknown> };

/**
 * An object whose methods are all asynchronous, opened when the first of them is called. Opening is tried again
 * after a failure: a store that could not be reached a minute ago may be back.
 */
export function lazily<T extends AsyncMethods<T>>(open: () => Promise<T>): T {
  const getTarget = once(open);
  return new Proxy({} as T, {
    get: (_none, method) => {
      // Not thenable: awaiting the object itself must not open it.
      if (method === "then") return undefined;
      return async (...args: never[]) => {
        const target = await getTarget();
        return target[method as keyof T](...args);
      };
    },
  });
}

/** The result of the first call, for every call; a call that failed is not remembered. */
export function once<T>(work: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined;
  return () => {
    result ??= work().catch((error: unknown) => {
      result = undefined;
      throw error;
    });
    return result;
  };
}
