import { describe, expect, it } from "vitest";
import { type Cell, grouped, namePattern, rotated } from "../../runner/cells.ts";
import { closingLine, countTests, noCounts } from "../../runner/counts.ts";

const cells = Array.from({ length: 200 }, (_, at) => at);

describe("the cells of the exhaustive run", () => {
  it("are all run after a few commits, whatever the commit is that it begins with", () => {
    const perRun = 40;
    for (let first = 1; first < 500; first += 7) {
      const seen = new Set<number>();
      for (let commit = first; commit < first + 12; commit++)
        for (const cell of rotated(cells, commit).slice(0, perRun)) seen.add(cell);
      expect(seen.size).toBe(cells.length);
    }
  });

  it("are the same for the same commit, and each comes once", () => {
    expect(rotated(cells, 77)).toEqual(rotated(cells, 77));
    expect(new Set(rotated(cells, 77)).size).toBe(cells.length);
    expect(rotated([], 3)).toEqual([]);
  });

  it("share a vitest only within a file", () => {
    const cell = (file: string, name: string): Cell => ({ project: "e2e", file, name });
    const some = [cell("a", "1"), cell("a", "2"), cell("a", "3"), cell("b", "1")];
    expect(grouped(some, 2)).toEqual([some.slice(0, 2), some.slice(2, 3), some.slice(3)]);
  });

  it("are found by a pattern that takes their names as they are", () => {
    const names = ["is killed at a/b (1)", "costs $5.00 [or more]"];
    const found = names.map((name) => ({ project: "e2e", file: "a", name }));
    const pattern = new RegExp(namePattern(found));
    for (const name of names) expect(name).toMatch(pattern);
    expect("is killed at a/b (1) and more").not.toMatch(pattern);
  });
});

describe("the closing line", () => {
  it("counts what failed outside of tests, and leaves out what a filter left out", () => {
    const test = (status: string, tags: string[]) => ({
      ...{ ancestorTitles: [], title: status },
      ...{ status, tags },
    });
    const report = { name: "/x.test.ts", status: "passed", startTime: 0, endTime: 1 };
    const files = [
      {
        ...report,
        assertionResults: [test("passed", []), test("skipped", []), test("skipped", ["cell"])],
      },
      { ...report, status: "failed", message: "no such module", assertionResults: [] },
    ];
    const counts = countTests("unit", files, ({ tags }) => !tags.includes("cell"));
    expect(closingLine(counts)).toBe("1 passed, 1 failed, 1 skipped");
    expect(closingLine({ ...noCounts, passed: 3 })).toBe("3 passed, 0 failed");
  });
});
