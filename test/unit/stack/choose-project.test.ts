import type { ContainerInfo } from "dockerode";
import { expect, it } from "vitest";
import { locateProject } from "../../../src/stack/project.ts";

const container = (project: string, directory: string, service = "web") =>
  ({
    ...{ Image: `example/${service}:1`, Created: 1 },
    Labels: {
      "com.docker.compose.project": project,
      "com.docker.compose.service": service,
      "com.docker.compose.project.working_dir": directory,
      // Any file that is there.
      "com.docker.compose.project.config_files": import.meta.filename,
    },
  }) as unknown as ContainerInfo;

/** The project that is found among these containers. */
async function found(...containers: ContainerInfo[]): Promise<string> {
  const engine = { docker: { listContainers: async () => containers }, environment: {} };
  type Given = Parameters<typeof locateProject>[0];
  return (await locateProject(engine as unknown as Given, {})).project;
}

it("takes the only project, of several the one in whose directory it runs, and refuses to guess", async () => {
  const [one, two] = [container("one", "/srv/one"), container("two", process.cwd())];
  expect(await found(one)).toBe("one");
  expect(await found(one, two)).toBe("two");
  await expect(found(one, container("three", "/srv/three"))).rejects.toMatchObject({
    class: "ambiguous-project",
  });
});

it("takes the project in whose directory it runs before one with the profile's gateway", async () => {
  const sophon = container("sophon", "/srv/sophon", "sophon-gateway");
  const own = container("own", process.cwd());
  expect(await found(sophon, container("other", "/srv/other"))).toBe("sophon");
  expect(await found(sophon, own)).toBe("own");
  const second = container("second", "/srv/second", "sophon-gateway");
  expect(await found(sophon, second, own)).toBe("own");
  await expect(found(sophon, second)).rejects.toThrow("sophon, second");
});
