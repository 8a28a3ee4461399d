import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { artifactDestination } from "../../../src/destinations/artifact.ts";
import { githubRuns } from "../../../src/destinations/other-runs.ts";
import { ShelfStandIn } from "./artifact-shelf.ts";
import { madeBackup, shipmentOf, transferContext } from "./remote-subject.ts";

/** What GitHub's API tells of a run, and of the artifact that it uploaded. */
interface Run {
  readonly id: number;
  readonly artifact: string;
  readonly branch?: string;
  readonly event?: string;
  readonly from?: number | null;
  readonly expired?: boolean;
}

const own = 77;
let runs: Run[];
let status: number;
let asked: string[];
let server: Server;
let scratch: string;

beforeEach(async () => {
  runs = [];
  status = 200;
  asked = [];
  scratch = await mkdtemp(join(tmpdir(), "sophon-keeper-runs-"));
  // A stand-in for the part of GitHub's API that is used, in the shape of its documented answers.
  server = createServer((request, response) => {
    const url = new URL(request.url ?? "", "http://api");
    asked.push(url.pathname + url.search);
    const isAllowed = request.headers.authorization === "Bearer a-token" && status === 200;
    response.writeHead(isAllowed ? 200 : 403, { "content-type": "application/json" });
    const answer = isAllowed
      ? answerTo(url)
      : { message: "Resource not accessible by integration" };
    response.end(JSON.stringify(answer));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(scratch, { recursive: true, force: true });
});

function answerTo(url: URL): unknown {
  const [, , , , , what = "", id = "", more = ""] = url.pathname.split("/");
  if (url.pathname === "/repos/owner/name") return { id: own, default_branch: "trunk" };
  const one = runs.find((run) => String(run.id) === id);
  if (what === "runs" && more === "") {
    const { branch = "trunk", event = "schedule", from = own } = one ?? {};
    const head_repository = from === null ? null : { id: from };
    return { event, head_branch: branch, repository: { id: own }, head_repository };
  }
  const name = url.searchParams.get("name");
  const page = Number(url.searchParams.get("page"));
  const size = Number(url.searchParams.get("per_page"));
  const listed = (what === "runs" ? runs.filter((run) => String(run.id) === id) : runs)
    .filter(({ artifact }) => name === null || artifact === name)
    .toSorted((a, b) => b.id - a.id)
    .slice((page - 1) * size, page * size);
  const artifacts = listed.map(({ id: run, artifact, expired = false }) => ({
    ...{ id: run * 10, name: artifact, size_in_bytes: 5, expired, workflow_run: { id: run } },
  }));
  return { total_count: runs.length, artifacts };
}

/** Which run an artifact was taken from, or what was told instead. */
async function taken(run: string, more: { readonly name?: string; project?: string } = {}) {
  await using backup = await madeBackup();
  const service = new ShelfStandIn();
  await artifactDestination(service).deliver(await shipmentOf(backup), transferContext());
  const { port } = server.address() as AddressInfo;
  const access = { apiUrl: `http://127.0.0.1:${port}`, repository: "owner/name", token: "a-token" };
  service.runs = githubRuns(access);
  const from: (number | undefined)[] = [];
  const [content = Buffer.alloc(0)] = [...service.shelf.values()];
  service.fetched = (id, at) => {
    from.push(at?.run);
    return [`${id}.tar`, content];
  };
  const wanted = { name: more.name, project: more.project ?? "stack", run, token: "a-token" };
  const into = await mkdtemp(join(scratch, "into-"));
  const context = transferContext();
  try {
    const file = await artifactDestination(service).fetch(wanted, into, context);
    expect((await readFile(file)).equals(content)).toBe(true);
    return { from: from[0], told: context.told.join("\n") };
  } catch (error) {
    expect(from).toEqual([]);
    return { from: undefined, told: String(error), error };
  }
}

const night = (day: number) => `stack-202603${String(day).padStart(2, "0")}T021700Z-00ab.tar`;

describe("an artifact of another run", () => {
  it("is the newest of the default branch; what anybody could have made is passed over", async () => {
    runs = [
      { id: 1, artifact: night(1) },
      { id: 2, artifact: night(2) },
      { id: 3, artifact: night(3), expired: true },
      { id: 4, artifact: night(4), branch: "feature" },
      { id: 5, artifact: night(5), from: 99 },
      { id: 6, artifact: night(6), from: null },
      { id: 7, artifact: night(7), event: "pull_request" },
      { id: 8, artifact: night(8), event: "pull_request_target" },
      { id: 9, artifact: night(9), event: "workflow_run" },
      { id: 10, artifact: "stack-b-20260310T021700Z-00ab.tar" },
      { id: 11, artifact: "logs" },
    ];
    const { from, told } = await taken("latest");
    expect(from, told).toBe(2);
    expect(told).toContain("of run 4 is passed over: run 4 is of the branch feature, not of trunk");
    expect(told).toContain("of run 5 is passed over: run 5 is of another repository");
    expect(told).toContain("of run 7 is passed over: run 7 was started by pull_request");
  });

  it("is found behind many others", async () => {
    runs = [{ id: 1, artifact: night(1) }];
    for (let id = 2; id < 250; id += 1) runs.push({ id, artifact: "logs" });
    expect((await taken("latest")).from).toBe(1);
    expect(asked.filter((path) => path.includes("/artifacts"))).toHaveLength(3);
  });

  it.each(["schedule", "workflow_dispatch", "push", "repository_dispatch"])(
    "is taken from a run that %s started",
    async (event) => {
      runs = [{ id: 3, artifact: night(1), event }];
      expect((await taken("3")).from).toBe(3);
    },
  );

  it("is refused from a run that is named and is not of the default branch", async () => {
    runs = [
      { id: 1, artifact: night(1) },
      { id: 2, artifact: night(2), branch: "feature" },
    ];
    const { told, error } = await taken("2");
    expect(told).toContain("run 2 is of the branch feature, not of trunk");
    expect(error).toMatchObject({ exitCode: 2, class: "no-backup" });
  });

  it("has the name that was asked for", async () => {
    runs = [
      { id: 1, artifact: "nightly" },
      { id: 2, artifact: night(2) },
    ];
    expect((await taken("latest", { name: "nightly" })).from).toBe(1);
    expect((await taken("latest", { project: "other" })).told).toContain(
      "no artifact of a backup of other: no run of the default branch has one",
    );
  });

  it("needs a token that may read it", async () => {
    status = 403;
    const { error, told } = await taken("latest");
    expect(told).toContain("403 Resource not accessible by integration");
    expect(error).toMatchObject({ hint: "the job needs permissions: actions: read" });
  });
});
