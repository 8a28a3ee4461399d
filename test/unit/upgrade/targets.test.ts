import { describe, expect, it } from "vitest";
import type { ContainerState, DiscoveredStore, Mount, Stack } from "../../../src/model/stack.ts";
import {
  chooseTargets,
  refuseShared,
  refuseUnsafe,
} from "../../../src/operations/upgrade/targets.ts";

const mount: Mount = {
  ...{ type: "volume", volume: "p_x", source: "/v/x", target: "/x" },
  ...{ writable: true, anonymous: false, plain: true },
};
const container = (service: string, change: Partial<ContainerState> = {}): ContainerState => ({
  ...{ id: service, name: `p-${service}-1`, service, imageReference: `${service}:1`, imageId: "i" },
  ...{ state: "running", health: "healthy", exitCode: 0, restartPolicy: "no", restartCount: 0 },
  ...{ startedAt: "", hostname: "h", user: "", environment: {}, mounts: [], addresses: {} },
  ...{ logDriver: "json-file", labels: {} },
  ...change,
});
const stack = (change: Partial<Stack> = {}): Stack => ({
  ...{ project: "p", directory: "/p", composeFiles: [], envFiles: [], profiles: [], tier: "other" },
  model: { name: "p", services: { app: { image: "app:2" }, job: { build: "." } } },
  containers: [container("app"), container("job")],
  ...{ stores: [], excluded: [], secrets: [] },
  ...change,
});
const target = { app: { from: "app:1", fromId: "i", to: "app:2" } };
const broker = (pinned: boolean): DiscoveredStore => ({
  ...{ kind: "rabbitmq", name: "mq", service: "mq", containerId: "mq", mount },
  ...{ nodeName: "rabbit@x", pinned },
});

describe("what an upgrade refuses", () => {
  it("takes what images names", () => {
    expect(chooseTargets(stack(), { app: "app:3" })).toEqual({
      app: { from: "app:1", fromId: "i", to: "app:3" },
    });
  });

  it.each([
    ["a service that is built here", { job: "x:1" }, "built-here"],
    ["the same where nothing is named", {}, "built-here"],
    ["a name that is no service", { other: "x:1" }, "no-service"],
  ])("%s", (_, images, name) => {
    const images_: Record<string, string> = images as Record<string, string>;
    expect(() => chooseTargets(stack(), images_)).toThrow(
      expect.objectContaining({ class: name, exitCode: 2 }),
    );
  });

  it.each([
    ["a broker without a pinned name", { stores: [broker(false)] }, "unpinned-broker"],
    [
      "what does not run, and would pass unseen",
      { containers: [container("app", { state: "exited" }), container("job")] },
      "not-running",
    ],
    [
      "a server of the same sort that was stopped",
      {
        containers: [
          container("app", { state: "exited", health: "none", restartPolicy: "unless-stopped" }),
        ],
      },
      "not-running",
    ],
    ["no log", { containers: [container("app", { logDriver: "none" })] }, "no-log"],
  ])("%s", (_, change, name) => {
    expect(() => refuseUnsafe(stack(change as Partial<Stack>), target)).toThrow(
      expect.objectContaining({ class: name, exitCode: 2 }),
    );
  });

  it("lets the others pass", () => {
    expect(() => refuseUnsafe(stack({ stores: [broker(true)] }), target)).not.toThrow();
    const looping = [container("app", { state: "restarting" })];
    expect(() => refuseUnsafe(stack({ containers: looping }), target)).not.toThrow();
    const unnamed = [container("app", { mounts: [{ ...mount, anonymous: true }] })];
    expect(() => refuseUnsafe(stack({ containers: unnamed }), target)).not.toThrow();
  });

  it.each([
    ["a job that has ended well", 0, { app: {} }],
    [
      "a migrator that failed, and that another service waits for",
      1,
      { app: {}, web: { depends_on: { app: { condition: "service_completed_successfully" } } } },
    ],
  ])("lets %s pass, for it runs again", (_, exitCode, services) => {
    const ended = container("app", { state: "exited", health: "none", exitCode });
    const model = { name: "p", services } as Stack["model"];
    expect(() => refuseUnsafe(stack({ model, containers: [ended] }), target)).not.toThrow();
  });

  it("a place that another project writes, and not one that somebody reads", () => {
    const use = { container: "c", project: "q", running: true, source: "/v/x", writable: true };
    expect(() => refuseShared([use])).toThrow(expect.objectContaining({ class: "shared-path" }));
    expect(() => refuseShared([{ ...use, writable: false }])).not.toThrow();
  });
});
