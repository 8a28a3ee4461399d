/** Whether version `a` is older than `b`, by the numbers in `b`. An unreadable version does not count as old. */
export function olderThan(a: string, b: string): boolean {
  const numbers = (version: string) => (version.match(/\d+/g) ?? []).map(Number);
  const left = numbers(a);
  if (left.length === 0) return false;
  for (const [index, wanted] of numbers(b).entries()) {
    const have = left[index] ?? 0;
    if (have !== wanted) return have < wanted;
  }
  return false;
}
