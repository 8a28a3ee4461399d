import { basename, dirname } from "node:path";
import type { ArtifactService } from "./artifact.ts";
import { githubRuns } from "./other-runs.ts";
import { outsideStep, type RunnerEnvironment } from "./runner-environment.ts";

/** GitHub's artifact service, as provided by the runner of this step. */
export function githubArtifacts(environment: RunnerEnvironment): ArtifactService {
  return {
    unusable: whyUnusable(environment),
    async upload(file, retentionDays) {
      const client = await newClient();
      const options = {
        skipArchive: true,
        ...(retentionDays === undefined ? {} : { retentionDays }),
      };
      return await client.uploadArtifact(basename(file), [file], dirname(file), options);
    },
    async list() {
      const client = await newClient();
      const { artifacts } = await client.listArtifacts({ latest: true });
      return artifacts;
    },
    otherRuns: (token) =>
      githubRuns({
        apiUrl: environment.GITHUB_API_URL ?? "https://api.github.com",
        repository: environment.GITHUB_REPOSITORY ?? "",
        token,
      }),
    async download(id, into, expected, from) {
      const client = await newClient();
      const [repositoryOwner = "", repositoryName = ""] =
        environment.GITHUB_REPOSITORY?.split("/") ?? [];
      const { digestMismatch = false } = await client.downloadArtifact(id, {
        path: into,
        ...(expected === undefined ? {} : { expectedHash: expected }),
        ...(from === undefined
          ? {}
          : {
              findBy: {
                ...{ token: from.token, workflowRunId: from.run },
                ...{ repositoryOwner, repositoryName },
              },
            }),
      });
      return { isOther: digestMismatch };
    },
    async remove(name) {
      const client = await newClient();
      await client.deleteArtifact(name);
    },
  };
}

/** Loaded on demand, because it is most of the bundle. */
async function newClient() {
  const { DefaultArtifactClient } = await import("@actions/artifact");
  return new DefaultArtifactClient();
}

function whyUnusable(environment: RunnerEnvironment): string | undefined {
  const server = environment.GITHUB_SERVER_URL ?? "https://github.com";
  const host = URL.canParse(server) ? new URL(server).hostname.toLowerCase() : server;
  const known = host === "github.com" || host.endsWith(".ghe.com") || host.endsWith(".localhost");
  if (!known) return `GitHub Enterprise Server (${host}) has no artifact service of this kind`;
  return outsideStep("artifact", environment, [environment.ACTIONS_RESULTS_URL]);
}
