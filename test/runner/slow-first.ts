import type { TestSpecification } from "vitest/node";
import { BaseSequencer } from "vitest/node";

/** Short files whose tests take minutes: begun last, they would end alone, with the other workers idle. */
const slow = [
  "live-stack.test.ts",
  "stores/conformance.test.ts",
  "hand-made.test.ts",
  "backup-tiers.test.ts",
  "restore.test.ts",
  "places.test.ts",
  "upgrade-down.test.ts",
  "upgrade-user.test.ts",
];

/** Begins with the files that take longest; vitest begins with those that have most lines. */
export class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isSlow = ({ moduleId }: TestSpecification) => slow.some((one) => moduleId.endsWith(one));
    return [...sorted.filter(isSlow), ...sorted.filter((file) => !isSlow(file))];
  }
}
