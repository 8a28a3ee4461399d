// @module-tag exhaustive

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, it } from "vitest";
import { ensureBaseImage } from "../lab/base-image.ts";
import { ensureImage } from "../lab/images.ts";
import type { LabStack } from "../lab/lab-stack.ts";
import { run, tryRun } from "../lab/run.ts";
import { createStack } from "../lab/stack.ts";
import { until } from "../lab/step.ts";
import { badVersions, wrecking } from "../lab/versions.ts";
import { expectAsBefore, killAt, look, repository, upgradeToBad } from "./upgrade-lab.ts";

const root = join(import.meta.dirname, "../..");
const image = "sophon-keeper-lab/systemd";
const unit = "sophon-keeper-recover.service";
const bootMs = 240_000;

type Inside = (...words: string[]) => ReturnType<typeof tryRun>;

/** The unit of the guide, word for word but for the paths and the name of this stack. */
async function guidesUnit(stack: LabStack): Promise<string> {
  const guide = await readFile(join(root, "docs/upgrade.md"), "utf8");
  const text = /```ini\n([\s\S]*?)```/.exec(guide)?.[1] ?? "";
  const place = `--project-directory ${stack.directory} --repository ${repository(stack)}`;
  const own = text
    .replace("--project-directory /srv/sophon", place)
    .replace("--project-name sophon", `--project-name ${stack.projectName}`);
  expect(own).toContain(`recover ${place} --project-name ${stack.projectName}`);
  return own;
}

/** What of this host the machine that boots has: the engine, the project, the volumes, and the programs. */
async function mounts(stack: LabStack, unitFile: string): Promise<string[]> {
  const plugins = "{{range .ClientInfo.Plugins}}{{println .Path}}{{end}}";
  const found = (await run(["docker", "info", "--format", plugins])).trim().split("\n");
  const compose = found.find((path) => path.endsWith("/docker-compose")) ?? "";
  const docker = (await run(["sh", "-c", "command -v docker"])).trim();
  const engineRoot = (await run(["docker", "info", "--format", "{{.DockerRootDir}}"])).trim();
  return [
    "/var/run/docker.sock:/run/docker.sock",
    `${engineRoot}:${engineRoot}`,
    ...[...new Set([stack.directory, dirname(stack.dataDir), stack.scratch])].map(
      (path) => `${path}:${path}`,
    ),
    `${docker}:/usr/local/bin/docker:ro`,
    `${compose}:/usr/local/lib/docker/cli-plugins/docker-compose:ro`,
    `${process.execPath}:/opt/node-24/bin/node:ro`,
    `${join(dirname(unitFile), "node")}:/usr/local/bin/node:ro`,
    `${join(root, "dist")}:/opt/sophon-keeper/dist:ro`,
    `${unitFile}:/etc/systemd/system/${unit}:ro`,
  ];
}

/** What another try cannot settle is not tried for ever: here a project that does not exist, exit 2. */
async function expectNoSecondTry(inside: Inside): Promise<void> {
  const override = `/run/systemd/system/${unit}.d/other.conf`;
  const command = "/opt/node-24/bin/node /opt/sophon-keeper/dist/cli.js recover";
  const lines = `[Service]\nExecStart=\nExecStart=${command} --project-name never-there\n`;
  const place = `mkdir -p ${dirname(override)} && printf '%s' "$0" > ${override}`;
  await inside("sh", "-euc", `${place} && systemctl daemon-reload`, lines);
  const started = await inside("systemctl", "start", unit);
  expect(started.code).not.toBe(0);
  const properties = "ActiveState,ExecMainStatus";
  const { stdout } = await inside("systemctl", "show", "--property", properties, unit);
  expect(stdout.trim().split("\n").toSorted()).toEqual(["ActiveState=failed", "ExecMainStatus=2"]);
}

it("an upgrade that a power cut ended is undone at the next boot, by the unit of the guide", async () => {
  await ensureBaseImage("bookworm");
  await ensureImage({ image, base: "bookworm", directory: join(root, "test/lab/images/systemd") });
  await using stack = await createStack({ tier: "personal", name: "boot" });
  const before = await look(stack);
  const reference = await stack.publish(wrecking(badVersions.unhealthy));
  await killAt(stack, "gate/watch", () => upgradeToBad(stack, reference));
  await stack.compose(["kill"]);

  const unitFile = join(stack.scratch, "unit", unit);
  await mkdir(dirname(unitFile));
  await writeFile(unitFile, await guidesUnit(stack));
  // The Node that the PATH finds is too old, as that of many distributions.
  const old = "#!/bin/sh\necho 'refused: Node 20 is too old' >&2\nexit 2\n";
  await writeFile(join(dirname(unitFile), "node"), old, { mode: 0o755 });
  const machine = `${stack.projectName}-machine`;
  const argv = ["docker", "create", "--name", machine, "--privileged", "--network", "host"];
  const volumes = (await mounts(stack, unitFile)).flatMap((mount) => ["--volume", mount]);
  await run([...argv, "--tmpfs", "/run", "--tmpfs", "/run/lock", ...volumes, image]);
  const inside: Inside = (...words) => tryRun(["docker", "exec", machine, ...words]);
  try {
    await run(["docker", "start", machine]);
    const isUp = async () =>
      /running|degraded/.test((await inside("systemctl", "is-system-running")).stdout);
    await until("it has booted", bootMs, isUp);
    const verified = await inside("systemd-analyze", "verify", `/etc/systemd/system/${unit}`);
    expect(verified.stderr).toBe("");
    const enabled = await inside(
      "sh",
      "-euc",
      `systemctl daemon-reload && systemctl enable ${unit}`,
    );
    expect(enabled.code, enabled.stderr).toBe(0);
    await run(["docker", "kill", machine]);
    await run(["docker", "start", machine]);

    const properties = "Result,ActiveState,ExecMainExitTimestampMonotonic";
    const show = ["systemctl", "show", "--property", properties, unit];
    const journal = async () => (await inside("journalctl", "--no-pager", "--unit", unit)).stdout;
    // One that never ran is inactive and successful, too.
    const done = /Monotonic=[1-9]/;
    const isDone = async () => {
      const { stdout } = await inside(...show);
      const isOver = done.test(stdout) && stdout.includes("ActiveState=inactive");
      return isOver && stdout.includes("Result=success");
    };
    await until("the unit is done", bootMs, isDone, journal);
    expect(await journal()).toMatch(/recovered/);
    await expectNoSecondTry(inside);
  } finally {
    await run(["docker", "rm", "--force", "--volumes", machine]);
  }
  await expectAsBefore(stack, before, "after the boot");
});
