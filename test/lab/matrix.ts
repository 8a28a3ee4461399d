import type { SuiteAPI, TestAPI } from "vitest";

/** What one row gives to a test, as with `each`. */
type Arguments<Row> = Row extends readonly [...infer Values] ? [...Values] : [Row];

type Each<Row> = (
  name: string,
  options: { readonly tags: string[]; readonly timeout?: number },
  body: (...row: Arguments<Row>) => unknown,
) => void;

/**
 * `test.each` or `describe.each` over a matrix of which only the usual rows are run by `npm test`; each of the others is a
 * cell that `npm run test:exhaustive` comes to.
 */
export function cells<const Row>(
  api: TestAPI | SuiteAPI,
  rows: readonly Row[],
  isUsual: (...row: Arguments<Row>) => boolean,
  options: { readonly timeout?: number } = {},
): (name: string, body: (...row: Arguments<Row>) => unknown) => void {
  const usual = (row: Row) =>
    isUsual(...((Array.isArray(row) ? row : [row]) as unknown as Arguments<Row>));
  return (name, body) => {
    const each = (some: readonly Row[], tags: string[]) =>
      (api.each(some) as unknown as Each<Row>)(name, { ...options, tags }, body);
    each(rows.filter(usual), []);
    each(
      rows.filter((row) => !usual(row)),
      ["exhaustive"],
    );
  };
}

/** The options of a test that is a cell by itself. */
export const exhaustive = { tags: ["exhaustive"] };
