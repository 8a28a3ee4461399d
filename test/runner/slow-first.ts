import type { TestSpecification } from "vitest/node";
import { BaseSequencer } from "vitest/node";

/**
 * As many as there are workers, which begin while the stores are still being made: their stacks are of the Personal tier
 * or of images of their own; `createStack` waits for what a larger one needs.
 */
const withoutStores = ["live-stack", "rehearse", "upgrade", "upgrade-recover", "verify-lies"];

/** What takes longest, the longest first: begun last, they would end alone, with the other workers idle. */
const slow = [
  ...withoutStores,
  ...["whole-stack", "stores/conformance", "backup-tiers", "stores-a/postgres"],
  ...["stores-a/postgres-settings", "backup-killed", "hand-made", "rollback-copy"],
  ...["upgrade-down", "places"],
].map((name) => `/${name}.test.ts`);

/** Whether a file of tests may begin before the stores are there. */
export function beginsWithoutStores(path: string): boolean {
  return withoutStores.some((name) => path.endsWith(`/${name}.test.ts`));
}

/** Begins with the files that take longest; vitest begins with those that have most lines. */
export class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const rank = ({ moduleId }: TestSpecification) => {
      const at = slow.findIndex((one) => moduleId.endsWith(one));
      return at < 0 ? slow.length : at;
    };
    return sorted.toSorted((a, b) => rank(a) - rank(b));
  }
}
