import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { silentReporter } from "../../src/core/reporter.ts";
import { createTaskRunner } from "../../src/helper/runner.ts";
import { checkHost } from "../../src/stack/check-host.ts";
import { throwAwayRemover } from "../../src/stack/containers.ts";
import { connect, type Engine } from "../../src/stack/engine.ts";
import { type HealthAnswer, serverProber } from "../../src/stack/health.ts";
import { inspectImage, keepImage, releaseImages, repoDigest } from "../../src/stack/images.ts";
import { ensureRegistry } from "../lab/registry.ts";
import { run, tryRun } from "../lab/run.ts";
import { pythonImage } from "../lab/sophon.ts";
import { until } from "../lab/step.ts";

const base = "sophon-keeper-lab/base:trixie";
let engine: Engine;

beforeAll(async () => {
  engine = await connect();
});

test("this host is one that is supported", async () => {
  expect((await checkHost(engine)).osType).toBe("linux");
});

describe("an image", () => {
  const name = `sk-stack-${randomUUID()}`;
  let pushed: string;
  beforeAll(async () => {
    pushed = `${(await ensureRegistry()).host}/${name}:1`;
    await run(["docker", "tag", base, pushed]);
    await run(["docker", "push", "--quiet", pushed]);
  });
  afterAll(async () => {
    await tryRun(["docker", "image", "rm", pushed]);
  });

  test("is known by its id and by the digest it was pushed under", async () => {
    const facts = await inspectImage(engine, pushed);
    const id = (await run(["docker", "image", "inspect", "--format", "{{.Id}}", base])).trim();
    expect(facts).toMatchObject({ id, platform: expect.stringMatching(/^linux\//) });
    expect(await repoDigest(engine, id, pushed)).toMatch(
      new RegExp(`^${pushed.replace(/:1$/, "")}@sha256:[0-9a-f]{64}$`),
    );
    expect(await inspectImage(engine, `${name}:none`)).toBeUndefined();
  });

  test("that is kept cannot be removed until it is released", async () => {
    const operation = { id: `op-${randomUUID()}`, project: name };
    const dockerfile = `FROM ${base}\nLABEL only=${name}\n`;
    const own = `${name}:kept`;
    await run(["docker", "build", "--quiet", "--tag", own, "-"], { input: dockerfile });
    const id = (await inspectImage(engine, own))?.id ?? "";
    const tag = await keepImage(engine, { id, service: "app" }, operation);
    await keepImage(engine, { id, service: "app" }, operation);
    await run(["docker", "image", "rm", own]);
    expect((await tryRun(["docker", "image", "rm", id])).code).not.toBe(0);
    expect((await inspectImage(engine, tag))?.id).toBe(id);
    await releaseImages(engine, operation.id);
    await releaseImages(engine, operation.id);
    expect(await inspectImage(engine, id)).toBeUndefined();
  });
});

describe("the health of a server", () => {
  const name = `sk-stack-${randomUUID()}`;
  const tasks = createTaskRunner({
    environment: {},
    operationId: name,
    entry: {
      script: join(import.meta.dirname, "helper-entry.ts"),
      directories: [join(import.meta.dirname, "../..")],
    },
    reporter: silentReporter,
    remove: async (container, wasKilled) => await throwAwayRemover(engine)(container, wasKilled),
  });
  beforeAll(async () => {
    // On no network at all, listening only on its own loopback, and healthy only from the third request on.
    const server = `
import http.server
class H(http.server.BaseHTTPRequestHandler):
  seen = 0
  def do_GET(self):
    H.seen += 1
    self.send_response(200 if H.seen > 2 else 503); self.end_headers(); self.wfile.write(b"answer")
http.server.HTTPServer(("127.0.0.1", 8081), H).serve_forever()`;
    const none = ["--network", "none", "--init", "--name", name];
    await run(["docker", "run", "-d", ...none, pythonImage, "python3", "-c", server]);
  });
  afterAll(async () => {
    await run(["docker", "rm", "-f", name]);
  });

  test("is asked again and again from inside its network, by one helper", async () => {
    const place = { mounts: [], networkOf: name };
    const question = {
      port: 8081,
      path: "/api/health",
      wants: "success",
      timeoutMs: 2_000,
    } as const;
    await using prober = await tasks.open(serverProber, place);
    let good: HealthAnswer | undefined;
    await until("it is healthy", 20_000, async () => {
      good = await prober.ask(question);
      return good.healthy;
    });
    expect(good).toEqual({ healthy: true, status: 200, detail: "answer" });
    const nobody = { healthy: false, status: 0, detail: expect.stringContaining("ECONNREFUSED") };
    expect(await prober.ask({ ...question, port: 8082 })).toMatchObject(nobody);
    const label = ["--filter", `label=sophon-keeper.operation=${name}`];
    const helpers = (await run(["docker", "ps", "--all", "--quiet", ...label])).trim().split("\n");
    expect(helpers).toHaveLength(1);
    await prober[Symbol.asyncDispose]();
    expect(await run(["docker", "ps", "--all", "--quiet", ...label])).toBe("");
    await expect(prober.ask(question)).rejects.toThrow("ended");
    const aborting = new AbortController();
    await using aborted = await tasks.open(serverProber, place, aborting.signal);
    expect(await aborted.ask(question)).toMatchObject({ healthy: true });
    aborting.abort();
    await aborted[Symbol.asyncDispose]();
    await expect(aborted.ask(question)).rejects.toThrow("ended");
    expect(await run(["docker", "ps", "--all", "--quiet", ...label])).toBe("");
  });
});
