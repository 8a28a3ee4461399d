import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { Result } from "../../src/model/result.ts";
import { diff } from "../lab/compare.ts";
import type { LabStack } from "../lab/lab-stack.ts";
import { exhaustive } from "../lab/matrix.ts";
import { run } from "../lab/run.ts";
import { snapshot } from "../lab/snapshot.ts";
import { createStack } from "../lab/stack.ts";
import { until } from "../lab/step.ts";
import { badVersions, goodVersions, wrecking } from "../lab/versions.ts";
import { gatewayState } from "../lab/writers.ts";
import { keeper } from "./support/keeper.ts";
import { containersOf, journalSteps, repository, stackArguments, upgrade } from "./upgrade-lab.ts";

/** A minute each on an idle machine. */
const timeoutMs = 1_500_000;
const headerName = "x-health-key";
const headerValue = "open-sesame-5813";

/** A proxy before the stack, as a host has one: TLS by an authority of its own, and no answer without the header. */
async function startProxy(stack: LabStack) {
  const [key, ca] = [join(stack.scratch, "proxy.key"), join(stack.scratch, "proxy.pem")];
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const names = ["-subj", "/CN=proxy", "-addext", "subjectAltName=IP:127.0.0.1"];
  await run(["openssl", "req", "-x509", ...curve, ...names, "-keyout", key, "-out", ca]);
  const options = { key: readFileSync(key), cert: readFileSync(ca) };
  const server = createServer(options, async (request, response) => {
    if (request.headers[headerName] !== headerValue) return response.writeHead(401).end();
    const answer = await fetch(`${stack.gatewayUrl}${request.url}`).catch(() => undefined);
    response.writeHead(answer?.status ?? 502).end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    ca,
    url: `https://127.0.0.1:${port}/api/health`,
    [Symbol.dispose]: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** Everything that the tool wrote about its operations. */
function records(stack: LabStack): string {
  const directory = join(repository(stack), "operations");
  return readdirSync(directory)
    .map((name) => readFileSync(join(directory, name), "utf8"))
    .join("\n");
}

async function expectAtRest(stack: LabStack) {
  const before = await containersOf(stack);
  await stack.compose(["up", "--detach"]);
  expect(await containersOf(stack)).toEqual(before);
}

it("asks the given URL with its header and authority, and recovers without knowing the header", {
  ...exhaustive,
  timeout: timeoutMs,
}, async () => {
  await using stack = await createStack({ tier: "personal", name: "gate-url" });
  using proxy = await startProxy(stack);
  const header = join(stack.scratch, "header");
  await writeFile(header, `${headerName}: ${headerValue}\n`);
  const asked = ["--health-url", proxy.url, "--health-header", `@${header}`];
  const trusting = [...asked, "--health-ca", proxy.ca];
  const good = await stack.publish(goodVersions["1.2.0"]);

  const strange = await upgrade(stack, good, ...asked).done;
  expect(strange.code, strange.stderr).toBe(2);
  expect(strange.result).toMatchObject({ result: "refused", reason: { class: "unhealthy" } });
  const locked = await upgrade(stack, good, "--health-url", proxy.url, "--health-ca", proxy.ca)
    .done;
  expect(locked.result, locked.stderr).toMatchObject({ reason: { class: "unhealthy" } });

  const [before, bad] = [
    await snapshot(stack),
    await stack.publish(wrecking(badVersions.unhealthy)),
  ];
  const started = upgrade(stack, bad, ...trusting, "--health-timeout", "10m");
  await until("the gate", 600_000, async () => journalSteps(stack).includes("gate/watch"));
  started.child.kill("SIGKILL");
  await started.done;
  await rm(proxy.ca);
  const recovered = await keeper(["recover", ...stackArguments(stack)]);
  expect(recovered.result, recovered.stderr).toMatchObject({ result: "recovered" });
  expect(diff(before, await snapshot(stack))).toEqual([]);
  expect(records(stack)).not.toContain(headerValue);
});

it(
  "pins in an override file; writes down what runs, and the report",
  async () => {
    await using stack = await createStack({ tier: "personal", name: "gate-pins" });
    const report = join(stack.scratch, "reports", "upgrade.html");
    const first = await stack.publish(goodVersions["1.2.0"]);
    const [compose, env] = ["docker-compose.yml", ".env"].map((name) =>
      join(stack.directory, name),
    );
    const files = async () => [
      await readFile(compose ?? "", "utf8"),
      await readFile(env ?? "", "utf8"),
    ];
    const original = await files();
    const pinned = await upgrade(stack, first, "--pin", "override", "--report-path", report).done;
    expect(pinned.code, pinned.stderr).toBe(0);
    expect(pinned.result).not.toHaveProperty("warnings");
    expect(await files()).toEqual(original);
    const override = await readFile(join(stack.directory, "docker-compose.override.yml"), "utf8");
    expect(override).toContain(first);
    await expectAtRest(stack);

    const page = await readFile(report, "utf8");
    expect(page).toContain("the new version is running on its data (verified)");
    expect(page).toContain(first);
    expect(page).toContain("downtime");

    const digest = await stack.registry.digest(first.slice(stack.registry.host.length + 1));
    const lock = JSON.parse(await readFile(join(repository(stack), "images.lock.json"), "utf8"));
    expect(lock.services["sophon-gateway"]).toMatchObject({ image: first });
    expect(lock.services["sophon-gateway"].digest).toContain(digest);
    expect(Object.keys(lock.services)).toEqual(
      expect.arrayContaining(["sophon-gateway", "sophon-dashboard"]),
    );
    const { services, timeline } = pinned.result as unknown as Result;
    const [change] = services ?? [];
    expect(change).toMatchObject({ service: "sophon-gateway", to: first });
    expect(change?.toDigest).toContain(digest);
    expect(timeline?.phases.map(({ phase }) => phase)).toEqual([
      "preflight",
      "pull",
      "backup",
      "pre-copy",
      "quiesce",
      "apply",
      "gate",
      "clean-up",
    ]);
    const planned = await upgrade(stack, stack.reference("1.1.0"), "--dry-run").done;
    expect(planned.result, planned.stderr).toMatchObject({
      plan: { expectedDowntime: expect.stringContaining("as the last upgrade here") },
    });
  },
  timeoutMs,
);

it("pins nowhere, with a warning", { ...exhaustive, timeout: timeoutMs }, async () => {
  await using stack = await createStack({ tier: "personal", name: "gate-loose" });
  const [first, second] = [
    stack.reference("1.1.0"),
    await stack.publish(goodVersions["1.2.0-words"]),
  ];
  const loose = await upgrade(stack, second, "--pin", "none").done;
  expect(loose.code, loose.stderr).toBe(0);
  expect(loose.result?.warnings).toContainEqual(
    expect.stringContaining("returns to the old images"),
  );
  expect((await gatewayState(stack)).version).toBe("1.2.0-words");
  expect(await stack.compose(["config", "--images"])).toContain(first);
});
