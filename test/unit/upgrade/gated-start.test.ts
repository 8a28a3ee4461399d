import { describe, expect, it } from "vitest";
import { systemClock } from "../../../src/core/clock.ts";
import { silentReporter } from "../../../src/core/reporter.ts";
import type { ContainerState } from "../../../src/model/stack.ts";
import { gatedWaits } from "../../../src/operations/upgrade/gated-start.ts";

/** The wait of an upgrade for a server that it had paused. Until the engine's next check it reads as starting. */
function waitFor(server: Partial<ContainerState>, before: Partial<ContainerState> = {}) {
  const told = { id: "db", name: "db", service: "db", state: "running", startedAt: "1", ...before };
  const now = { ...told, health: "starting", exitCode: 0, restartCount: 0, ...server };
  const session = {
    stack: { containers: [told] },
    containers: { inspect: async () => now },
    options: { logAllow: [], logDeny: [] },
    dependencies: { clock: systemClock, reporter: silentReporter },
  };
  const plan = {
    containers: [{ ...told, health: "healthy", ...before }],
    ...{ pause: ["db"], services: {}, health: { timeoutMs: 1 }, project: { project: "demo" } },
  };
  const docker = { listContainers: async () => [] };
  // biome-ignore lint/suspicious/noExplicitAny: what of a session, a plan and an engine such a wait reads
  const waits = gatedWaits(session as any, plan as any, {}, { docker } as any);
  const { signal } = new AbortController();
  return waits.healthy(now as unknown as ContainerState, true, signal);
}

describe("a server that an upgrade had paused", () => {
  it("is not waited for, since it serves as before", async () => {
    await waitFor({});
  });

  it.each([
    ["was started anew since", { startedAt: "2" }],
    ["is paused", { state: "paused" as const }],
    ["was checked since, and is unhealthy", { health: "unhealthy" as const }],
  ])("is waited for when it %s", async (_, server) => {
    await expect(waitFor(server)).rejects.toThrow("db");
  });
});
