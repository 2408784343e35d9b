/** Bytes of one page as JSON: what a model reads at once should leave it room to think. */
export const MAX_PAGE_BYTES = 40_000;

interface StoredPage {
  readonly nextCursor?: string;
}

/**
 * The page of at most `limit` items that is no longer than `maxBytes` once it is shown, but of one item at least.
 * What does not fit is read again as a shorter page, so that the cursor is the store's own.
 */
export async function readFittingPage<Page extends StoredPage, Shown>(
  limit: number,
  read: (limit: number) => Promise<Page>,
  show: (page: Page) => readonly Shown[] | Promise<readonly Shown[]>,
  maxBytes = MAX_PAGE_BYTES,
): Promise<{ page: Page; items: readonly Shown[] }> {
  const page = await read(limit);
  const items = await show(page);
  const fitting = countFitting(items, maxBytes);
  if (fitting >= items.length) return { page, items };
  const shorter = await read(fitting);
  return { page: shorter, items: await show(shorter) };
}

function countFitting(items: readonly unknown[], maxBytes: number): number {
  let bytes = 0;
  for (const [index, item] of items.entries()) {
    bytes += Buffer.byteLength(JSON.stringify(item));
    if (bytes > maxBytes) return Math.max(1, index);
  }
  return items.length;
}
