// @module-tag exhaustive

import { expect, it } from "vitest";
import { snapshot } from "../lab/snapshot.ts";
import { createStack } from "../lab/stack.ts";
import { backedUp, differences, expectItsOwn, ready, succeed } from "./support/restored.ts";

it("what ALTER SYSTEM set comes back with the stack, and the result tells of a pg_hba.conf that does not", async () => {
  await using stack = await createStack({ tier: "pro", name: "rs-set" });
  const on = await backedUp(stack);
  const psql = async (sql: string) =>
    (
      await stack.compose(["exec", "-T", "postgres", "psql", "-XAtq", "-U", "sophon", "-c", sql])
    ).trim();
  await psql("alter system set maintenance_work_mem to '7MB'");
  await psql("alter system set max_connections to 77");
  const append = `echo 'host all odd 10.0.0.0/8 reject' >> "$PGDATA/pg_hba.conf"`;
  await stack.compose(["exec", "-T", "postgres", "sh", "-c", append]);
  const before = await snapshot(stack);
  const made = await succeed(on, "backed-up", "backup");
  await succeed(on, "verified", "verify", "--level", "restore");

  await psql("alter system set maintenance_work_mem to '1MB'");
  await psql("alter system reset max_connections");
  await psql("alter system set log_min_duration_statement to 5");
  const restored = await succeed(on, "restored", "restore", "--backup", made.backupId);
  await ready(stack);
  expect(restored.warnings).toContainEqual(
    expect.stringMatching(/^postgres: pg_hba\.conf differs from the backup/),
  );
  expect(await psql("show maintenance_work_mem")).toBe("7MB");
  expect(await psql("show max_connections")).toBe("77");
  expect(await psql("show log_min_duration_statement")).toBe("-1");
  expect(differences(before, await snapshot(stack))).toEqual([]);
  await expectItsOwn(stack);
});
