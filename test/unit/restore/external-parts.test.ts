import { describe, expect, it } from "vitest";
import type { ComposeModel } from "../../../src/model/stack.ts";
import { refuseClashes } from "../../../src/operations/restore/host-conflicts.ts";

const model: ComposeModel = {
  name: "shop",
  services: {
    app: {
      image: "app:1",
      volumes: [{ type: "volume", source: "files", target: "/files" }],
      networks: { proxy: null },
    },
  },
  volumes: { files: { name: "shop-files", external: true } },
  networks: { proxy: { name: "edge", external: true } },
};

/** An engine that has these volumes and networks, and no container. */
function engineWith(...names: string[]) {
  const inspect = (name: string) => ({
    inspect: async () => {
      if (!names.includes(name)) throw Object.assign(new Error("no such"), { statusCode: 404 });
      return { Name: name, Labels: {} };
    },
  });
  return {
    docker: {
      getVolume: inspect,
      getNetwork: inspect,
      listContainers: async () => [],
      listNetworks: async () => [],
    },
  };
}

async function refusal(create: readonly string[], ...has: string[]): Promise<string> {
  const request = {
    ...{ engine: engineWith(...has), model, manifest: { services: {} } },
    stack: { project: "shop", containers: [] },
    makings: { create, replace: [] },
  };
  const checked = refuseClashes(request as unknown as Parameters<typeof refuseClashes>[0]);
  return await checked.then(
    () => "",
    ({ message, hint }: { message: string; hint?: string }) => `${message}; ${hint}`,
  );
}

describe("what Compose does not create because the file says external", () => {
  it("is refused before anything is changed, with the command that makes it", async () => {
    expect(await refusal(["app"])).toMatch(
      /no volume shop-files; .*docker volume create shop-files/,
    );
    expect(await refusal(["app"], "shop-files")).toMatch(
      /no network edge; .*docker network create edge/,
    );
  });

  it("stands in no way where it is there, or no container is to be created", async () => {
    expect(await refusal(["app"], "shop-files", "edge")).toBe("");
    expect(await refusal([])).toBe("");
  });
});
