import { expect, it } from "vitest";
import type { Engine } from "../../../src/stack/engine.ts";
import { inspectContainer } from "../../../src/stack/inspect.ts";

/** An engine that knows one container in this state. */
function engineWith(state: object): Pick<Engine, "docker"> {
  const info = {
    ...{ Id: "a", Name: "/demo-app-1", Image: "sha256:1", Path: "app", Args: [], Created: "" },
    ...{
      RestartCount: 0,
      Mounts: [],
      NetworkSettings: {},
      HostConfig: {},
      Config: { Image: "app" },
    },
    State: { Status: "running", Running: true, ExitCode: 0, StartedAt: "", ...state },
  };
  const docker = { getContainer: () => ({ inspect: async () => info }) };
  return { docker } as unknown as Pick<Engine, "docker">;
}

it.each([
  ["none", {}],
  ["healthy", { Health: { Status: "healthy", FailingStreak: 0 } }],
  ["starting", { Health: { Status: "starting", FailingStreak: 0 } }],
  ["unhealthy", { Health: { Status: "unhealthy", FailingStreak: 3 } }],
  // As the engine leaves it after `docker unpause`, until it asks again.
  ["starting", { Health: { Status: "unhealthy", FailingStreak: 0 } }],
  // It asks no container that does not run.
  ["unhealthy", { Running: false, Health: { Status: "unhealthy", FailingStreak: 0 } }],
])("says %s of a container with the state %j", async (health, state) => {
  const found = await inspectContainer(engineWith(state), "a");
  expect(found?.state.health).toBe(health);
});
