import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { cells, exhaustive } from "../lab/matrix.ts";
import { until } from "../lab/step.ts";
import { healthFile, type SmallStack, smallStack } from "./support/small-stack.ts";

// Containers are stopped, started and made anew as Compose does it, whoever does it: a stopped backup, a restore, an
// upgrade, and the way back of each.

/** Serves on port 8000 and is healthy after a while. */
const slow = `image: IMAGE, init: true, command: ["sh", "-c", "rm -f /tmp/healthy; sleep 3; touch /tmp/healthy; exec python3 -m http.server 8000 -d /tmp"], volumes: ["DATA:/data"], ${healthFile}`;
/** Ends at once unless that one answers: so do proxies that look up their upstream at their start. */
const needsSlow = `image: IMAGE, init: true, command: ["sh", "-c", "curl -fsS http://api:8000/healthy || exit 1; exec sleep infinity"], volumes: ["web:/w"], depends_on: { api: { condition: service_healthy } }`;

/** Brings it up, and waits until nothing is starting any more. `up --wait` takes a one-shot that is done for a failure. */
async function up(stack: SmallStack, ...args: readonly string[]): Promise<void> {
  await stack.compose(["up", "--detach", ...args]);
  const isSettled = async () => !(await stack.states()).includes("starting");
  await until("the stack is up", 120_000, isSettled, () => stack.states());
}

describe("a service that needs another one to be healthy", () => {
  it("is started after it by a stopped backup, a restore, an upgrade and a rollback", async () => {
    await using stack = await smallStack(
      "ordered",
      { api: slow, web: needsSlow },
      "volumes: { web: {} }\n",
    );
    await up(stack);
    await stack.sh("web", "echo w >/w/x");
    const before = await stack.states();
    expect(before).toBe("api-1 running healthy; web-1 running");

    const backup = await stack.keeper("backup", "--consistency", "stopped");
    expect(backup.code, backup.stderr).toBe(0);
    expect(await stack.states()).toBe(before);
    const restore = await stack.keeper("restore", "--health-timeout", "60s");
    expect(restore.code, restore.stderr).toBe(0);
    expect(await stack.states()).toBe(before);
    const good = await stack.upgrade({ api: 2, web: 2 });
    expect(good.code, good.stderr).toBe(0);
    expect(await stack.versions()).toEqual({ api: "2", web: "2" });
    expect(await stack.states()).toBe(before);

    // It is healthy only after three seconds.
    const bad = await stack.upgrade({ api: 3 }, "--health-timeout", "1s");
    expect(bad.code, bad.stderr).toBe(6);
    expect(await stack.versions()).toEqual({ api: "2", web: "2" });
    expect(await stack.states()).toBe(before);
  });

  it("comes back although the other one never was healthy", exhaustive, async () => {
    const never = `image: IMAGE, init: true, volumes: ["DATA:/data"], healthcheck: { test: ["CMD", "false"], interval: 500ms, retries: 1 }`;
    const web = `image: IMAGE, init: true, volumes: ["web:/w"], depends_on: { api: { condition: service_healthy } }`;
    await using stack = await smallStack(
      "unhealthy",
      { api: never, web },
      "volumes: { web: {} }\n",
    );
    await up(stack, "--no-deps", "api");
    await up(stack, "--no-deps", "web");
    await stack.sh("web", "echo w >/w/x");
    const before = await stack.states();
    expect(before).toBe("api-1 running unhealthy; web-1 running");
    const settled = () =>
      until(
        "as before",
        60_000,
        async () => (await stack.states()) === before,
        () => stack.states(),
      );

    const backup = await stack.keeper("backup", "--consistency", "stopped");
    expect(backup.code, backup.stderr).toBe(0);
    await settled();
    // A restore asks for health and does not get it: its way back must not ask for more than there was.
    const restore = await stack.keeper("restore", "--health-timeout", "5s");
    expect(restore.code, restore.stderr).toBe(6);
    await settled();
  });
});

describe("a migrator that runs to its end before the application", () => {
  const migrator = (tail: string) =>
    `image: IMAGE, init: true, command: ["sh", "-c", "echo m$$V >>/data/schema; ${tail}"], volumes: ["DATA:/data"]`;
  const app = `image: IMAGE, init: true, command: ["sh", "-c", "touch /tmp/healthy; exec sleep infinity"], volumes: ["DATA:/data"], depends_on: { migrate: { condition: service_completed_successfully } }, ${healthFile}`;
  const schema = (stack: SmallStack) => readFile(join(stack.data, "schema"), "utf8");

  it("runs again with a new image, also from a file that is included, and not on the way back", async () => {
    const fails = "[ $$V != 3 ] || { echo wrecked >/data/a; exit 7; }";
    await using stack = await smallStack("migrator", { app }, "include: [jobs/compose.yaml]\n");
    const jobs = join(stack.directory, "jobs");
    await mkdir(jobs);
    const job = migrator(fails).replace("IMAGE", "$JOBS").replace("DATA", stack.data);
    await writeFile(join(jobs, "compose.yaml"), `services: { migrate: { ${job} } }\n`);
    await writeFile(join(jobs, ".env"), `JOBS=${stack.image(1)}\n`);
    await up(stack);
    const good = await stack.upgrade({ migrate: 2, app: 2 });
    expect(good.code, good.stderr).toBe(0);
    expect(await readFile(join(jobs, ".env"), "utf8")).toBe(`JOBS=${stack.image(2)}\n`);
    expect(await stack.compose(["config", "--images"])).not.toContain(stack.image(1));
    expect(await schema(stack)).toBe("m1\nm2\n");
    const before = await stack.states();
    expect(before).toBe("app-1 running healthy; migrate-1 exited");
    const bad = await stack.upgrade({ migrate: 3, app: 3 });
    expect(bad.code, bad.stderr).toBe(6);
    expect(bad.result.reason.message).toMatch(/migrate.*code 7/);
    expect(await schema(stack)).toBe("m1\nm2\n");
    expect(await readFile(join(stack.data, "a"), "utf8")).toBe("a\n");
    expect(await stack.versions()).toEqual({ migrate: "2", app: "2" });
    expect(await stack.states()).toBe(before);
  });

  it(
    "is not waited for without end, and its log counts although it ends with 0",
    exhaustive,
    async () => {
      const hangs =
        "[ $$V != 2 ] || sleep 1000; [ $$V != 3 ] || echo 'Unhandled exception. Npgsql.PostgresException (0x80004005): 42P07: relation exists'";
      await using stack = await smallStack("hanging", { migrate: migrator(hangs), app });
      await up(stack);
      const before = await stack.states();
      const hung = await stack.upgrade({ migrate: 2, app: 2 }, "--health-timeout", "5s");
      expect(hung.code, hung.stderr).toBe(6);
      const lied = await stack.upgrade({ migrate: 3, app: 3 });
      expect(lied.code, lied.stderr).toBe(6);
      expect(JSON.stringify(lied.result.reason)).toContain("42P07");
      expect(await schema(stack)).toBe("m1\n");
      expect(await stack.versions()).toEqual({ migrate: "1", app: "1" });
      expect(await stack.states()).toBe(before);
    },
  );
});

describe("containers that join the namespaces of another one", () => {
  const provider = `image: IMAGE, init: true, restart: always, ipc: shareable, command: ["sh", "-c", "[ $$V != 3 ] || { echo 'FATAL: no route'; exit 1; }; touch /tmp/healthy; exec python3 -m http.server 8000 -d /tmp"], volumes: ["DATA:/data"], ${healthFile}`;
  const joiner = (keys: string) =>
    `image: IMAGE, init: true, restart: always, stop_grace_period: 2s, ${keys}`;
  const services = {
    vpn: provider,
    net: joiner(`network_mode: "service:vpn", volumes: ["net:/n"]`),
    ipc: joiner(`ipc: "service:vpn"`),
    pid: joiner(`pid: "service:vpn"`),
    off: joiner(`network_mode: "service:vpn"`),
  };
  const make = async (name: string) => {
    const stack = await smallStack(name, services, "volumes: { net: {} }\n");
    await up(stack);
    await stack.sh("net", "echo n >/n/x");
    await stack.compose(["stop", "off"]);
    return stack;
  };
  const states = "ipc-1 running; net-1 running; off-1 exited; pid-1 running; vpn-1 running healthy";
  const expectJoined = async (stack: SmallStack, when: string) => {
    expect(await stack.states(), when).toBe(states);
    const asked = "curl -fsS http://127.0.0.1:8000/ >/dev/null && echo joined";
    expect(await stack.sh("net", asked), when).toBe("joined");
    for (const kind of ["ipc", "pid"]) {
      const own = await stack.sh("vpn", `readlink /proc/1/ns/${kind}`);
      const other = await stack.sh(kind, `readlink /proc/self/ns/${kind}`);
      expect(other, `${when}: ${kind}`).toBe(own);
    }
    expect(await stack.sh("net", "cat /n/x"), when).toBe("n");
  };

  it("are restarted or made anew together with it, and again on the way back", async () => {
    await using stack = await make("joined");
    await expectJoined(stack, "at first");
    const backup = await stack.keeper("backup", "--consistency", "stopped");
    expect(backup.code, backup.stderr).toBe(0);
    await expectJoined(stack, "after a stopped backup");
    const bad = await stack.upgrade({ vpn: 3 });
    expect(bad.code, bad.stderr).toBe(6);
    // The cause, and not that others cannot join what has ended.
    expect(`${bad.result.reason.message} ${bad.result.reason.evidence}`).toMatch(/^vpn.*no route/s);
    expect(await stack.versions()).toMatchObject({ vpn: "1", net: "1" });
    await expectJoined(stack, "after a rollback");
    // What a person had stopped can still be started.
    await stack.compose(["start", "off"]);
    await stack.compose(["stop", "off"]);
    // Once their provider is gone, a stop would be for good: nothing begins.
    await stack.compose(["rm", "--stop", "--force", "vpn"]);
    expect(await stack.states()).toContain("net-1 running");
    const refused = await stack.keeper("backup", "--consistency", "stopped");
    expect(refused.code, refused.stderr).toBe(2);
    expect(refused.stderr).toContain("docker compose up -d ");
    expect(await stack.states()).toContain("net-1 running");
  });

  it(
    "are made anew with a good image of it or of their own, and by a restore",
    exhaustive,
    async () => {
      await using stack = await make("joined-good");
      // It pauses the provider, which the engine then calls unhealthy until it is asked again.
      const backup = await stack.keeper("backup");
      expect(backup.code, backup.stderr).toBe(0);
      const one = await stack.upgrade({ vpn: 2 });
      expect(one.code, one.stderr).toBe(0);
      expect(await stack.versions()).toMatchObject({ vpn: "2", net: "1" });
      await expectJoined(stack, "after an upgrade of the provider");
      const dependent = await stack.upgrade({ net: 2 });
      expect(dependent.code, dependent.stderr).toBe(0);
      expect(await stack.versions()).toMatchObject({ vpn: "2", net: "2" });
      await expectJoined(stack, "after an upgrade of the dependent");
      // To the image of the backup: the provider is made anew, and so are they.
      const first = ["--backup", String(backup.result.backupId)];
      const restore = await stack.keeper("restore", ...first, "--health-timeout", "60s");
      expect(restore.code, restore.stderr).toBe(0);
      expect(await stack.versions()).toMatchObject({ vpn: "1", net: "1" });
      await expectJoined(stack, "after a restore");
    },
  );

  it("are there again after a kill in the middle of an upgrade", exhaustive, async () => {
    await using stack = await make("joined-kill");
    for (const step of ["stop-writers", "up", "watch"]) {
      const killed = await stack.killedAtStep(step, { vpn: 2 });
      expect(killed.signal, killed.stderr).toBe("SIGKILL");
      const recovered = await stack.keeper("recover", "--project-name", stack.projectName);
      expect(recovered.code, recovered.stderr).toBe(0);
      expect(recovered.result.recovered).toHaveLength(1);
      expect(await stack.versions()).toMatchObject({ vpn: "1", net: "1" });
      await expectJoined(stack, `killed at ${step}`);
    }
  });
});

describe("the time that a container has to stop", () => {
  cells(
    it,
    ["a stopped backup", "an upgrade"],
    (what) => what === "a stopped backup",
  )("is its own, in %s", async (what) => {
    const flushes = `image: IMAGE, stop_grace_period: 60s, command: ["sh", "-c", "trap 'sleep 12; echo flushed >>/data/log; exit 0' TERM; touch /tmp/healthy; while :; do sleep 0.2; done"], volumes: ["DATA:/data"], ${healthFile}`;
    await using stack = await smallStack("grace", { app: flushes });
    await up(stack);
    const done =
      what === "an upgrade"
        ? await stack.upgrade({ app: 2 })
        : await stack.keeper("backup", "--consistency", "stopped");
    expect(done.code, done.stderr).toBe(0);
    expect(await readFile(join(stack.data, "log"), "utf8")).toBe("flushed\n");
  });
});

describe("a paused container and one that a person stopped", () => {
  const make = async (name: string) => {
    const app = `image: IMAGE, init: true, command: ["sh", "-c", "[ $$V != 3 ] || exit 1; touch /tmp/healthy; exec sleep infinity"], volumes: ["DATA:/data"], depends_on: [frozen], ${healthFile}`;
    const services = {
      app,
      frozen: `image: IMAGE, init: true, restart: always, volumes: ["cold:/c"]`,
      off: `image: IMAGE, init: true, restart: unless-stopped, depends_on: { app: { condition: service_healthy } }`,
      twice: `image: IMAGE, init: true, scale: 2, depends_on: { app: { condition: service_healthy, restart: true }, extra: { condition: service_healthy, required: false } }`,
      extra: `image: IMAGE, profiles: [none]`,
    };
    const stack = await smallStack(name, services, "volumes: { cold: {} }\n");
    await up(stack);
    await stack.sh("frozen", "echo c >/c/x");
    await stack.compose(["stop", "off"]);
    await stack.compose(["pause", "frozen"]);
    return stack;
  };
  const before =
    "app-1 running healthy; frozen-1 paused; off-1 exited; twice-1 running; twice-2 running";

  it("stay as they are, with replicas and an absent dependency beside them", async () => {
    await using stack = await make("kept");
    expect(await stack.states()).toBe(before);
    const backup = await stack.keeper("backup", "--consistency", "stopped");
    expect(backup.code, backup.stderr).toBe(0);
    expect(await stack.states()).toBe(before);
    const bad = await stack.upgrade({ app: 3, twice: 3 });
    expect(bad.code, bad.stderr).toBe(6);
    expect(await stack.states()).toBe(before);
    // One that comes to nothing is undone.
    const failed = await stack.keeper("restore", "--health-timeout", "1ms");
    expect(failed.code, failed.stderr).toBe(6);
    await until(
      "as before",
      60_000,
      async () => (await stack.states()) === before,
      () => stack.states(),
    );
  });

  it("stay as they are when what is beside them is upgraded and restored", exhaustive, async () => {
    await using stack = await make("kept-good");
    const backup = await stack.keeper("backup", "--consistency", "stopped");
    expect(backup.code, backup.stderr).toBe(0);
    expect(await stack.states()).toBe(before);
    const good = await stack.upgrade({ app: 2, twice: 2 });
    expect(good.code, good.stderr).toBe(0);
    expect(await stack.states()).toBe(before);
    const restore = await stack.keeper("restore", "--health-timeout", "60s");
    expect(restore.code, restore.stderr).toBe(0);
    expect(await stack.states()).toBe(before);
  });
});
