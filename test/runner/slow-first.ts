import type { TestSpecification } from "vitest/node";
import { BaseSequencer } from "vitest/node";

/** What takes longest, the longest first: begun last, they would end alone, with the other workers idle. */
const slow = [
  ...["whole-stack", "live-stack", "stores/conformance", "upgrade", "upgrade-recover", "rehearse"],
  ...["backup-tiers", "stores-a/postgres", "stores-a/postgres-settings", "backup-killed"],
  ...["hand-made", "rollback-copy", "verify-lies", "upgrade-down", "places"],
].map((name) => `/${name}.test.ts`);

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
