import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { exhaustive } from "../lab/matrix.ts";
import { settled } from "./support/layouts.ts";
import { healthFile, smallStack } from "./support/small-stack.ts";

it(
  "runs a job again that nobody waits for, and is rolled back when it fails",
  exhaustive,
  async () => {
    await using stack = await smallStack("job", {
      app: `image: IMAGE, init: true, volumes: ["DATA:/data"], command: ["sh", "-c", "touch /tmp/healthy; exec sleep infinity"], ${healthFile}`,
      job: `image: IMAGE, volumes: ["DATA:/data"], command: ["sh", "-c", "echo v$$V >>/data/runs; echo done; [ $$V != 3 ]"]`,
    });
    await stack.compose(["up", "--detach"]);
    await settled(stack);
    const runs = () => readFile(join(stack.data, "runs"), "utf8");
    await expect.poll(runs, { timeout: 60_000 }).toBe("v1\n");
    const before = await stack.states();
    const good = await stack.upgrade({ app: 2, job: 2 });
    expect(good.code, good.stderr).toBe(0);
    expect(await runs()).toBe("v1\nv2\n");
    expect(await stack.states()).toBe(before);
    const bad = await stack.upgrade({ app: 3, job: 3 });
    expect(bad.code, bad.stderr).toBe(6);
    expect(await runs()).toBe("v1\nv2\n");
    expect(await stack.versions()).toEqual({ app: "2", job: "2" });
    // The job is there again without having run, and the next good version runs it.
    const next = await stack.upgrade({ app: 4, job: 4 });
    expect(next.code, next.stderr).toBe(0);
    expect(await runs()).toBe("v1\nv2\nv4\n");
  },
);

it("upgrades a migrator alone, and is rolled back when it fails", exhaustive, async () => {
  await using stack = await smallStack("migrator", {
    migrate: `image: IMAGE, volumes: ["DATA:/data"], command: ["sh", "-c", "echo v$$V >>/data/runs; [ $$V != 3 ]"]`,
    app: `image: IMAGE, init: true, volumes: ["DATA:/data"], command: ["sh", "-c", "touch /tmp/healthy; exec sleep infinity"], ${healthFile}, depends_on: { migrate: { condition: service_completed_successfully } }`,
  });
  await stack.compose(["up", "--detach"]);
  await settled(stack);
  const runs = () => readFile(join(stack.data, "runs"), "utf8");
  expect(await runs()).toBe("v1\n");
  const before = await stack.states();
  const good = await stack.upgrade({ migrate: 2 });
  expect(good.code, good.stderr).toBe(0);
  expect(await runs()).toBe("v1\nv2\n");
  expect(await stack.versions()).toEqual({ app: "1", migrate: "2" });
  expect(await stack.states()).toBe(before);
  const bad = await stack.upgrade({ migrate: 3 });
  expect(bad.code, bad.stderr).toBe(6);
  expect(await runs()).toBe("v1\nv2\n");
  expect(await stack.versions()).toEqual({ app: "1", migrate: "2" });
  expect(await stack.states()).toBe(before);
});

it.each([
  [2, 0],
  [3, 6],
])(
  "a job that ends by itself meanwhile is no failure (version %i)",
  exhaustive,
  async (version, code) => {
    await using stack = await smallStack("job-ends", {
      app: `image: IMAGE, init: true, volumes: ["DATA:/data"], command: ["sh", "-c", "rm -f /tmp/healthy; [ $$V != 3 ] || exit 3; touch /tmp/healthy; until [ -e /data/go ]; do sleep 0.1; done; exec sleep infinity"], ${healthFile}`,
      job: `image: IMAGE, init: true, volumes: ["DATA:/data:ro"], command: ["sh", "-c", "until [ -e /data/go ]; do sleep 0.1; done"]`,
    });
    await stack.compose(["up", "--detach"]);
    await settled(stack);
    const upgrade = stack.upgrade({ app: version });
    await writeFile(join(stack.data, "go"), "");
    const { code: ended, stderr } = await upgrade;
    expect(ended, stderr).toBe(code);
    expect(await stack.versions()).toEqual({ app: version === 2 ? "2" : "1", job: "1" });
    expect(await stack.states()).toMatch(/app-1 running healthy; job-1 exited/);
  },
);

it("is not judged by what was sick beside it, if that was accepted", exhaustive, async () => {
  const well = `init: true, command: ["sh", "-c", "[ $$V != 3 ] || exit 3; touch /tmp/healthy; exec sleep infinity"], ${healthFile}`;
  await using stack = await smallStack("sick-beside", {
    app: `image: IMAGE, volumes: ["DATA:/data"], ${well}`,
    loop: `image: IMAGE, init: true, restart: always, command: ["sh", "-c", "sleep 1; exit 3"]`,
    sick: `image: IMAGE, init: true, command: ["sleep", "infinity"], healthcheck: { test: ["CMD", "false"], interval: 1s, retries: 1 }`,
  });
  await stack.compose(["up", "--detach"]);
  await expect.poll(stack.states, { timeout: 60_000 }).toMatch(/loop-1 .*sick-1 running unhealthy/);
  const refused = await stack.upgrade({ app: 2 });
  expect(refused.result, refused.stderr).toMatchObject({ reason: { class: "unhealthy" } });
  await stack.compose(["stop", "sick"]);
  // At one moment it runs, at the next it does not: both are a crash loop.
  const looping = await stack.upgrade({ app: 2 });
  expect(looping.result, looping.stderr).toMatchObject({ reason: { class: "unhealthy" } });
  expect(looping.result.reason.message).toContain("loop");
  await stack.compose(["start", "sick"]);
  const bad = await stack.upgrade({ app: 3 }, "--allow-unhealthy");
  expect(bad.code, bad.stderr).toBe(6);
  expect(await stack.versions()).toEqual({ app: "1", loop: "1", sick: "1" });
  const good = await stack.upgrade({ app: 2 }, "--allow-unhealthy");
  expect(good.code, good.stderr).toBe(0);
  expect(await stack.versions()).toEqual({ app: "2", loop: "1", sick: "1" });
});
