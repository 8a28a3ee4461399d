import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../../src/core/clock.ts";
import { RefusedError, UploadFailedError } from "../../../src/core/errors.ts";
import { silentReporter } from "../../../src/core/reporter.ts";
import { type ArtifactService, artifactDestination } from "../../../src/destinations/artifact.ts";
import { githubArtifacts } from "../../../src/destinations/artifact-service.ts";
import { type ListedArtifact, ShelfStandIn, sha256 } from "./artifact-shelf.ts";
import { fileConformance } from "./file-conformance.ts";

let directory: string;
const magic = "age-encryption.org/v1\n";
const signal = new AbortController().signal;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "sophon-keeper-test-"));
  await writeFile(join(directory, "manifest.json"), '{"plain":"not to leave"}');
  await writeFile(join(directory, "manifest.json.age"), `${magic}sealed`);
  await writeFile(join(directory, "data.tar.zst.age"), magic + "x".repeat(3_000_000));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

async function deliver(service: ArtifactService, name?: string) {
  const about = { backupId: "stack-1", project: "stack", sha256: new Map() };
  const shipment = { ...about, directory, signer: undefined, name, retentionDays: undefined };
  return await artifactDestination(service).deliver(shipment, {
    ...{ reporter: silentReporter, signal, clock: systemClock },
  });
}

describe("artifactDestination", () => {
  it("sends one tar that holds every encrypted file and nothing else", async () => {
    const service = new ShelfStandIn();
    const delivered = await deliver(service);
    const content = service.shelf.get("stack-1.tar");
    expect(content).toBeDefined();
    const listed = execFileSync("tar", ["-tf", "-"], { input: content, encoding: "utf8" });
    expect(listed.trim().split("\n")).toEqual(["data.tar.zst.age", "manifest.json.age"]);
    const args = ["-xOf", "-", "data.tar.zst.age"];
    const back = execFileSync("tar", args, { input: content, maxBuffer: 2 ** 24 });
    expect(back.equals(await readFile(join(directory, "data.tar.zst.age")))).toBe(true);
    expect(content?.includes("not to leave")).toBe(false);
    expect(delivered).toEqual({
      name: "stack-1.tar",
      id: "7",
      bytes: content?.length,
      sha256: sha256(content as Buffer),
    });
  });

  it("uses the name it is given", async () => {
    const service = new ShelfStandIn();
    await deliver(service, "nightly.tar");
    expect([...service.shelf.keys()]).toEqual(["nightly.tar"]);
  });

  it.each([
    ["a file that is not encrypted", "data.tar.zst", "plain"],
    ["a file that only pretends to be encrypted", "extra.age", "plain"],
    ["an empty file", "empty.age", ""],
  ])("sends nothing when there is %s", async (_, name, content) => {
    await writeFile(join(directory, name), content);
    const service = new ShelfStandIn();
    await expect(deliver(service)).rejects.toThrow(`${name} is not encrypted: nothing leaves`);
    expect(service.shelf.size).toBe(0);
  });

  it("sends nothing without the sealed manifest", async () => {
    await rm(join(directory, "manifest.json.age"));
    await expect(deliver(new ShelfStandIn())).rejects.toThrow("manifest.json.age is missing");
  });

  it.each<[string, Partial<ListedArtifact>]>([
    ["another size", { size: 12 }],
    ["another digest", { digest: `sha256:${"0".repeat(64)}` }],
    ["another name", { name: "other.tar" }],
  ])("takes back and fails what is listed with %s", async (_, lie) => {
    const service = new ShelfStandIn();
    service.lie = lie;
    await expect(deliver(service)).rejects.toThrow(UploadFailedError);
    expect(service.shelf.size).toBe(0);
  });

  it("ends with the service's own error when the service never reads", async () => {
    const service = new ShelfStandIn();
    service.failure = new Error("quota used up");
    await expect(deliver(service)).rejects.toThrow(/could not be uploaded: quota used up/);
  });
});

describe("artifactDestination, the way back", () => {
  const fetch = async (service: ArtifactService, name?: string) => {
    const into = await mkdtemp(join(directory, "fetched-"));
    const wanted = { name, project: undefined, run: undefined, token: undefined };
    return await artifactDestination(service).fetch(wanted, into, {
      reporter: silentReporter,
      signal,
    });
  };

  it("brings the one file back as it was sent", async () => {
    const service = new ShelfStandIn();
    await deliver(service);
    const file = await fetch(service);
    expect((await readFile(file)).equals(service.shelf.get("stack-1.tar") as Buffer)).toBe(true);
  });

  it("refuses a name that is not there, and tells those that are", async () => {
    const service = new ShelfStandIn();
    await deliver(service);
    await expect(fetch(service, "nightly.tar")).rejects.toThrow(/no artifact nightly.tar/);
  });

  it("takes nothing of which the digest differs", async () => {
    const service = new ShelfStandIn();
    await deliver(service);
    service.lie = { digest: `sha256:${"0".repeat(64)}` };
    await expect(fetch(service)).rejects.toThrow(/not what was uploaded/);
  });
});

describe("githubArtifacts", () => {
  const inside = { ACTIONS_RUNTIME_TOKEN: "t", ACTIONS_RESULTS_URL: "https://results.example" };

  it.each([
    [{}, /outside a step of the action/],
    [{ ...inside, GITHUB_SERVER_URL: "https://git.example.com" }, /GitHub Enterprise Server/],
  ])("is refused before anything is done where there is no service: %o", (environment, why) => {
    const destination = artifactDestination(githubArtifacts(environment));
    expect(() => destination.refuseUnready()).toThrow(RefusedError);
    expect(() => destination.refuseUnready()).toThrow(why);
  });

  it("is ready inside a step", () => {
    const environment = { ...inside, GITHUB_SERVER_URL: "https://github.com" };
    artifactDestination(githubArtifacts(environment)).refuseUnready();
  });
});

fileConformance("artifacts of a stand-in", async () => {
  const service = new ShelfStandIn();
  return {
    destination: artifactDestination(service),
    damage: async () => {
      const content = [...service.shelf.values()].at(-1);
      if (content !== undefined) content[100_000] = (content[100_000] ?? 0) ^ 1;
      // The service knows the digest of what it was sent.
      service.lie = { digest: service.digestOfLast };
    },
    count: async () => service.shelf.size,
    clear: async () => {
      service.shelf.clear();
      service.lie = {};
    },
    wrong: () => [],
    [Symbol.asyncDispose]: async () => undefined,
  };
});
