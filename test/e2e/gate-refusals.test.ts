import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { ensurePostgres15, storeImages } from "../lab/images.ts";
import type { LabStack } from "../lab/lab-stack.ts";
import { exhaustive } from "../lab/matrix.ts";
import { run } from "../lab/run.ts";
import { qdrantImage } from "../lab/sophon.ts";
import { createStack } from "../lab/stack.ts";
import { badVersions, type GatewayVersion, goodVersions, wrecking } from "../lab/versions.ts";
import { gatewayState } from "../lab/writers.ts";
import { keeper } from "./support/keeper.ts";
import {
  containersOf,
  expectAsBefore,
  look,
  repository,
  stackArguments,
  statesOf,
  upgrade,
  upgradeToBad,
} from "./upgrade-lab.ts";

/** Two minutes on an idle machine. */
const timeoutMs = 1_500_000;

/** An image that differs from another one in what it says of itself only, pushed under a tag of this stack. */
async function disguised(stack: LabStack, image: string, line: string, name: string) {
  const tag = `sophon-keeper-lab/disguised:${stack.projectName}-${name.replaceAll(/\W/g, "-")}`;
  const directory = join(stack.scratch, "disguised");
  await run(["mkdir", "-p", directory]);
  await writeFile(join(directory, "Dockerfile"), `FROM ${image}\n${line}\n`);
  await run(["docker", "build", "--quiet", "--tag", tag, directory]);
  try {
    return await stack.registry.push(tag, `${stack.projectName}/${name}`);
  } finally {
    await run(["docker", "rmi", "--no-prune", tag]);
  }
}

/** Runs an upgrade that must be refused and must leave every container as it is. */
async function expectRefused(stack: LabStack, name: string, images: string, ...more: string[]) {
  const before = await containersOf(stack);
  const named = images === "" ? [] : ["--images", images];
  const args = ["upgrade-test", ...stackArguments(stack), ...named, ...more];
  const { code, result, stderr } = await keeper(args);
  expect(code, stderr).toBe(2);
  expect(result, stderr).toMatchObject({ result: "refused", reason: { class: name } });
  expect(result.reason.message).not.toContain("\n");
  expect(await containersOf(stack), name).toEqual(before);
  return String(result.reason.message);
}

/** A dashboard whose log goes nowhere. */
function withoutDashboardLog(composeFile: string): string {
  return composeFile.replace(/(\n {2}sophon-dashboard:\n)/, "$1    logging:\n      driver: none\n");
}

const silent: GatewayVersion = {
  ...goodVersions["1.2.0"],
  version: "1.2.0-silent-migration",
  faults: { slowMigration: { seconds: 30, steps: 30, silent: true } },
};

/** A transaction that computes for a fixed time, however busy the machine is, and changes next to nothing. */
const computing: GatewayVersion = {
  ...goodVersions["1.2.0"],
  version: "1.2.0-computing-migration",
  faults: { slowMigration: { seconds: 35, steps: 1, silent: true, computes: true } },
};

it("an image with this tool's own labels is judged like any other", {
  ...exhaustive,
  timeout: timeoutMs,
}, async () => {
  await using stack = await createStack({ tier: "personal", name: "gate-labels" });
  const before = await look(stack);
  const labels =
    "LABEL sophon-keeper.operation=x sophon-keeper.kind=program com.docker.compose.oneoff=True";
  const bad = await stack.publish(wrecking(badVersions["crash-loop"]));
  const { code, stderr } = await upgradeToBad(stack, await disguised(stack, bad, labels, "labels"))
    .done;
  expect(code, stderr).toBe(6);
  await expectAsBefore(stack, before, "rolled back");
});

it("a personal stack: a migration that shows in no file until it ends is not cut off", {
  ...exhaustive,
  timeout: timeoutMs,
}, async () => {
  await using stack = await createStack({ tier: "personal", name: "gate-computing" });
  const good = await stack.publish(computing);
  const { code, result, stderr } = await upgrade(stack, good, "--health-timeout", "15s").done;
  expect(code, stderr).toBe(0);
  expect(result).toMatchObject({ result: "passed" });
  expect((await gatewayState(stack)).version).toBe(computing.version);
  // It did take longer than a start may that does nothing.
  expect(result?.downtimeSeconds).toBeGreaterThan(35);
});

it("an enterprise stack: a broker that could not be rolled back is refused", {
  ...exhaustive,
  timeout: timeoutMs,
}, async () => {
  await using stack = await createStack({ tier: "enterprise", name: "gate-broker" });
  const broker = await disguised(
    ...([stack, storeImages.rabbitmq4, "ENV RABBITMQ_VERSION=5.0.0", "rabbitmq:5"] as const),
  );
  await expectRefused(stack, "rabbitmq-version", `rabbitmq=${broker}`);
});

it("a pro stack: what cannot be rolled back is refused, and work in the database counts", {
  ...exhaustive,
  timeout: timeoutMs,
}, async () => {
  await using stack = await createStack({ tier: "pro", name: "gate", edit: withoutDashboardLog });
  await ensurePostgres15();
  const postgres = await stack.registry.push(
    storeImages.postgres15,
    `${stack.projectName}/postgres:15`,
  );
  const majors = await expectRefused(stack, "postgres-major", `postgres=${postgres}`);
  expect(majors).toMatch(/17.*15/);

  const qdrant = await disguised(stack, qdrantImage(), "ENV SK=1", "qdrant:v1.19.0");
  await expectRefused(stack, "qdrant-version", `qdrant=${qdrant}`);

  const dashboard = stack.reference("1.1.0", "dashboard");
  await expectRefused(stack, "no-log", `sophon-dashboard=${dashboard}`);

  const other = `${stack.projectName}-other`;
  const volume = `${stack.projectName}_qdrantdata:/foreign`;
  await run(["docker", "create", "--name", other, "--volume", volume, storeImages.redis8]);
  try {
    const gateway = `sophon-gateway=${stack.reference("1.1.0")}`;
    expect(await expectRefused(stack, "shared-path", gateway)).toContain(other);
    const args = ["upgrade-test", ...stackArguments(stack), "--images", gateway, "--dry-run"];
    const { result } = await keeper([...args, "--allow-shared-paths"]);
    expect(result).toMatchObject({ result: "planned" });
    expect(result.plan.expectedDowntime).toMatch(/^about [\d.]+ s/);
  } finally {
    await run(["docker", "rm", "--volumes=false", other]);
  }

  // Statements that no log shows: only the database tells that the migration works on.
  const good = await stack.publish(silent);
  const passed = await upgrade(stack, good, "--health-timeout", "15s").done;
  expect(passed.code, passed.stderr).toBe(0);
  expect(passed.result).toMatchObject({ result: "passed" });
  expect(passed.result?.checks).toContainEqual(
    expect.objectContaining({ name: "schema", component: "postgres/sophon", status: "pass" }),
  );
  expect((await gatewayState(stack)).version).toBe(silent.version);
});

it("an enterprise stack: a migration that hangs at a lock of the database is found", {
  ...exhaustive,
  timeout: timeoutMs,
}, async () => {
  await using stack = await createStack({ tier: "enterprise", name: "gate-hangs" });
  const hanging = await stack.publish(badVersions["migration-lock"]);
  const { code, result, stderr } = await upgrade(stack, hanging, "--health-timeout", "15s").done;
  expect(code, stderr).toBe(6);
  expect(result).toMatchObject({ result: "rolled-back", reason: { class: "hung" } });
  expect((await gatewayState(stack)).version).toBe("1.1.0");
});

it(
  "a personal stack: files that differ in more than images are refused with the difference",
  async () => {
    await using stack = await createStack({ tier: "personal", name: "gate-files" });
    const file = join(stack.directory, "docker-compose.yml");
    const [original, gateway] = [await readFile(file, "utf8"), stack.reference("1.1.0")];
    const edit = (text: string) => writeFile(file, text);
    // Nothing to do: now the model of what runs is written down, and later differences are exact.
    const same = await upgrade(stack, gateway).done;
    expect(same.result, same.stderr).toMatchObject({ result: "unchanged" });
    await edit(original.replace("SOPHON_DATA: /data", "SOPHON_DATA: /data\n      LEVEL: debug"));
    const images = `sophon-gateway=${gateway}`;
    const exact = await expectRefused(stack, "changed-files", images);
    expect(exact).toContain('sophon-gateway: environment.LEVEL: nothing -> "debug"');
    await rm(join(repository(stack), "model.json"));
    expect(await expectRefused(stack, "changed-files", images)).toContain("environment.LEVEL");
    await edit(`${original}\n  extra:\n    image: \${SOPHON_DASHBOARD_IMAGE}\n`);
    expect(await expectRefused(stack, "changed-files", "")).toContain("extra: new in the files");
    await edit(original);

    // An image that was changed in the files alone: on the way back the files name the old one again.
    const settings = await readFile(join(stack.directory, ".env"), "utf8");
    const containers = await statesOf(stack);
    const back = await changedTo(stack, await stack.publish(badVersions["migration-failed"]));
    expect(back.code, back.stderr).toBe(6);
    expect(Object.keys(back.result.lastLines).join()).toContain("sophon-gateway");
    expect(back.stderr).toContain("last lines of");
    expect(await readFile(join(stack.directory, ".env"), "utf8")).toBe(settings);
    expect(await statesOf(stack)).toEqual(containers);
  },
  timeoutMs,
);

it("a personal stack: an image that was changed in the files alone is upgraded to", {
  ...exhaustive,
  timeout: timeoutMs,
}, async () => {
  await using stack = await createStack({ tier: "personal", name: "gate-files-good" });
  const forth = await changedTo(stack, await stack.publish(goodVersions["1.2.0"]));
  expect(forth.code, forth.stderr).toBe(0);
  expect(forth.result).toMatchObject({ result: "passed" });
  expect((await gatewayState(stack)).version).toBe("1.2.0");
  const now = await containersOf(stack);
  await stack.compose(["up", "--detach"]);
  expect(await containersOf(stack)).toEqual(now);
});

/** Edits the image in the files and upgrades to what they name. */
async function changedTo(stack: LabStack, reference: string) {
  const env = join(stack.directory, ".env");
  const settings = await readFile(env, "utf8");
  await writeFile(env, settings.replace(/^SOPHON_IMAGE=.*$/m, `SOPHON_IMAGE=${reference}`));
  const timing = ["--soak", "3s", "--health-timeout", "60s"];
  return await keeper(["upgrade-test", ...stackArguments(stack), ...timing]);
}
