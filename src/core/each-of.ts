/**
 * Runs work for each item, for at most `limit` of them at once.
 *
 * After the first failure nothing more begins, and what has begun is aborted and waited for.
 *
 * @param work - gets a signal that is aborted after the failure of another item, and with `signal`
 * @returns the results in the order of the items.
 * @throws the first failure.
 */
export async function eachOf<T, R>(
  items: readonly T[],
  { limit, signal }: { readonly limit: number; readonly signal?: AbortSignal | undefined },
  work: (item: T, signal: AbortSignal) => Promise<R>,
): Promise<R[]> {
  const failed = new AbortController();
  const either = AbortSignal.any([failed.signal, ...(signal === undefined ? [] : [signal])]);
  const results: R[] = [];
  const failures: unknown[] = [];
  const left = items.entries();
  const lane = async () => {
    for (const [at, item] of left) {
      try {
        either.throwIfAborted();
        results[at] = await work(item, either);
      } catch (error) {
        failures.push(error);
        failed.abort(error);
        return;
      }
    }
  };
  await Promise.all(Array.from({ length: limit }, lane));
  if (failures.length > 0) throw failures[0];
  return results;
}
