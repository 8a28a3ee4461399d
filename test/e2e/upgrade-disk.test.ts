import { mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { exhaustive } from "../lab/matrix.ts";
import { createStack } from "../lab/stack.ts";
import { until } from "../lab/step.ts";
import { badVersions, type GatewayVersion, wrecking } from "../lab/versions.ts";
import { smallDisk } from "./support/small-disk.ts";
import {
  expectAsBefore,
  killAt,
  look,
  repository,
  startRecover,
  upgradeToBad,
} from "./upgrade-lab.ts";

const diskBytes = 320 * 2 ** 20;
const fullMs = 240_000;

// The data, its rollback copy, the journal and the backups on one disk, which the new version fills to the last block.
it(
  "an upgrade to a version that fills the disk goes back, also after it was killed",
  exhaustive,
  async () => {
    const directory = await mkdtemp(join(tmpdir(), "sophon-keeper-disk-"));
    try {
      await using disk = await smallDisk(join(directory, "disk"), diskBytes);
      const [dataDirectory, backups] = [join(disk.path, "data"), join(disk.path, "repository")];
      await Promise.all([mkdir(dataDirectory), mkdir(backups)]);
      await using stack = await createStack({
        tier: "personal",
        name: "upgrade-disk",
        dataDirectory,
      });
      await symlink(backups, repository(stack));
      const before = await look(stack);
      // Not healthy while it does so: how fast it is must not decide.
      const { faults, ...filling } = badVersions["fills-disk"];
      const version: GatewayVersion = { ...filling, faults: { ...faults, unhealthy: true } };
      const reference = await stack.publish(wrecking(version));
      const whole = await upgradeToBad(stack, reference).done;
      expect(whole.code, whole.stderr).toBe(6);
      await expectAsBefore(stack, before, "a full disk");

      const killed = await killAt(stack, "gate/watch", () => upgradeToBad(stack, reference));
      const isFull = async () => killed.code === 6 || (await disk.freeBytes()) < 2 ** 20;
      await until("the disk is full", fullMs, isFull, async () => `${await disk.freeBytes()} free`);
      const { code, stderr } = await startRecover(stack).done;
      expect(code, stderr).toBe(0);
      await expectAsBefore(stack, before, "a full disk, killed");
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  },
);
