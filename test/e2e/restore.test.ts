import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { diff } from "../lab/compare.ts";
import type { LabStack, Tier } from "../lab/lab-stack.ts";
import { exhaustive } from "../lab/matrix.ts";
import { run } from "../lab/run.ts";
import { snapshot } from "../lab/snapshot.ts";
import { createStack } from "../lab/stack.ts";
import { gatewayState } from "../lab/writers.ts";
import {
  type BackedUpStack,
  backedUp,
  differences,
  expectItsOwn,
  ready,
  succeed,
} from "./support/restored.ts";
import { backUpUnderWriters, expectAllBack, type UnderWriters } from "./support/under-writers.ts";
import { wreckByServers, wreckFiles } from "./support/wrecks.ts";

const tiers: readonly Tier[] = ["personal", "pro", "enterprise"];

/** A server with a second volume that it may write to: which one is its data, the model alone does not tell. */
function withAnotherVolume(composeFile: string): string {
  const mount = "      - pgdata:/var/lib/postgresql/data\n";
  return `${composeFile.replace(mount, `      - pgspare:/spare\n${mount}`)}  pgspare:\n`;
}
const touch = ["sh", "-c", "echo kept > /spare/file"];

// The largest tier is restored from such files in whole-stack, too.
describe.each(tiers)("a %s stack", exhaustive, (tier) => {
  let stack: LabStack;
  let on: BackedUpStack;
  let made: UnderWriters;

  beforeAll(async () => {
    const edit = tier === "pro" ? { edit: withAnotherVolume } : {};
    stack = await createStack({ tier, name: `rs-${tier}`, ...edit });
    if (tier === "pro") await stack.compose(["exec", "-T", "postgres", ...touch]);
    on = await backedUp(stack);
    made = await backUpUnderWriters(on, await snapshot(stack));
  });
  afterAll(async () => {
    await stack.down();
  });

  // While its servers run. What they do to a stack is done to it in the next test, too, which needs more.
  const running =
    "comes back by content from what a newer version made of it, and nothing newer survives";
  it(running, async () => {
    await wreckByServers(stack);
    const restored = await succeed(on, "restored", "restore", "--backup", made.id);
    await expectAllBack(stack, made);
    await expectItsOwn(stack);
    expect(restored.setAside.length).toBe({ personal: 1, pro: 4, enterprise: 5 }[tier]);
  });

  it("comes back by content from files that no server starts on, and keeps what was there", async () => {
    await wreckByServers(stack);
    await wreckFiles(stack);
    const restored = await succeed(on, "restored", "restore");
    await expectAllBack(stack, made);
    await expectItsOwn(stack);
    const aside = restored.setAside.find((path: string) => path.startsWith(stack.dataDir));
    expect(await readdir(aside)).toContain("left-by-a-newer-version");
  });
});

describe("a restore", () => {
  // The same with other images than the backup's is tested in restore-images.
  const title = "puts everything back when the restored stack does not become healthy in time";
  it(title, exhaustive, async () => {
    await using stack = await createStack({ tier: "personal", name: "rs-back" });
    const on = await backedUp(stack);
    await succeed(on, "backed-up", "backup");
    await writeFile(join(stack.dataDir, "newer-than-the-backup"), "precious");
    const before = await snapshot(stack);
    await succeed(on, "rolled-back", "restore", "--health-timeout", "1ms");
    expect(diff(before, await snapshot(stack))).toEqual([]);
    expect(await gatewayState(stack)).toMatchObject({ credentials: 6 });
    await succeed(on, "unchanged", "recover");
  });
});

describe("a pro stack on places that cannot be renamed", () => {
  it(
    "comes back: PostgreSQL on a path that is a mount point, Qdrant on a volume that is bound to a path",
    exhaustive,
    async () => {
      const root = await mkdtemp("/var/tmp/sophon-keeper-mounts-");
      const [disk, bound] = [join(root, "disk"), join(root, "bound")];
      await Promise.all([mkdir(disk), mkdir(bound)]);
      await run(["mount", "-t", "tmpfs", "-o", "size=512m", "none", disk]);
      try {
        const options = `{ driver: local, driver_opts: { type: none, o: bind, device: ${bound} } }`;
        const edit = (text: string) =>
          text
            .replace("- pgdata:/var/lib/postgresql/data", `- ${disk}:/var/lib/postgresql/data`)
            .replace("  pgdata:\n  qdrantdata:", `  qdrantdata: ${options}`);
        await using stack = await createStack({ tier: "pro", name: "rs-mounts", edit });
        const on = await backedUp(stack);
        const before = await snapshot(stack);
        await succeed(on, "backed-up", "backup");
        await wreckByServers(stack);
        await succeed(on, "restored", "restore");
        await ready(stack);
        expect(differences(before, await snapshot(stack))).toEqual([]);
        await expectItsOwn(stack);
      } finally {
        await run(["umount", disk]);
        await rm(root, { recursive: true });
      }
    },
  );
});
