import { describe, expect, it } from "vitest";
import type { LabStack, Tier } from "../lab/lab-stack.ts";
import { cells } from "../lab/matrix.ts";
import { run } from "../lab/run.ts";
import { createStack } from "../lab/stack.ts";
import { forge } from "./support/forged.ts";
import { needsOutside } from "./support/needs-outside.ts";
import { backedUp, succeed } from "./support/restored.ts";

interface Check {
  readonly name: string;
  readonly status: string;
  readonly component?: string;
  readonly detail: string;
}

/** Changes the application's database with nobody else at it. */
async function change(stack: LabStack, sql: string): Promise<void> {
  if (stack.tier === "personal") {
    await run(["sqlite3", "-bail", `${stack.dataDir}/data/sophon.db`, sql]);
  } else {
    const psql = ["psql", "-X", "-v", "ON_ERROR_STOP=1", "-U", "sophon", "-d", "sophon", "-c", sql];
    await stack.compose(["exec", "-T", "postgres", ...psql]);
  }
}

const lessByOne = { personal: 'DROP TABLE "Documents"', pro: 'DROP TABLE "Documents" CASCADE' };

/** No table left; a file of no bytes would not even be backed up. */
async function empty(stack: LabStack): Promise<void> {
  if (stack.tier === "pro") {
    await change(stack, "DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    return;
  }
  const path = `${stack.dataDir}/data/sophon.db`;
  const sql = "CREATE TABLE gone (a); DROP TABLE gone";
  await run(["bash", "-euc", 'rm -f "$1"*; sqlite3 "$1" "$2"; chown 1654 "$1"', "-", path, sql]);
}

function failed(result: { checks: Check[] }): string[] {
  return result.checks
    .filter(({ status }) => status === "fail")
    .map(({ name, detail }) => `${name}: ${detail}`);
}

cells(
  describe,
  ["personal", "pro"] as const satisfies Tier[],
  (tier) => tier === "personal",
)("verify of a %s stack", (tier) => {
  it("finds a well-formed backup damaged that holds less than it tells, or an empty database", async () => {
    await using stack = await createStack({ tier, name: `lie-${tier}` });
    const on = await backedUp(stack);
    const component = tier === "personal" ? "data" : "postgres-sophon";
    const whole = await succeed(on, "backed-up", "backup");
    await stack.compose(["stop", "sophon-gateway"]);
    const verify = (backup: string) =>
      succeed(on, "damaged", "verify", "--level", "restore", "--backup", backup);

    await change(stack, lessByOne[tier]);
    const less = await succeed(on, "backed-up", "backup");
    const lie = failed(await verify(await forge(on, whole.path, component, less.path)));
    expect(lie.join()).toMatch(/Documents: recorded \d+, found nothing/);

    await empty(stack);
    const nothing = await succeed(on, "backed-up", "backup");
    const emptied = failed(await verify(await forge(on, whole.path, component, nothing.path)));
    expect(emptied.join()).toMatch(/recorded \d+, found nothing/);

    // It tells the truth of an empty database; only the application can tell that it was not its own.
    const truth = failed(await verify(nothing.backupId));
    expect(truth.join()).toMatch(/schema head once booted: recorded none, found 2025/);
  });
});

describe("verify of a stack that needs the outside to be healthy", () => {
  it("is unverifiable, and verified where counts alone are accepted", async () => {
    await using stack = await createStack({
      tier: "personal",
      name: "outside",
      edit: needsOutside,
    });
    const on = await backedUp(stack);
    await succeed(on, "backed-up", "backup");
    const verified = await on.run("verify", "--level", "restore");
    expect(verified.result, verified.stderr).toMatchObject({
      result: "unverifiable",
      level: "contents",
      reason: { message: expect.stringContaining("clone-health: off") },
    });
    expect(verified.code).toBe(5);
    const counted = await succeed(
      on,
      "verified",
      "verify",
      ...["--level", "restore", "--clone-health", "off"],
    );
    expect(counted.level).toBe("restore");
  });
});
