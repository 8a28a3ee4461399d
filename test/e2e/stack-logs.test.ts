import { randomBytes } from "node:crypto";
import { expect, it } from "vitest";
import { connect } from "../../src/stack/engine.ts";
import { logKind, readLog } from "../../src/stack/logs.ts";
import { storeImages } from "../lab/images.ts";
import { run } from "../lab/run.ts";
import { until } from "../lab/step.ts";

async function withContainer(
  options: readonly string[],
  script: string,
  work: (id: string) => Promise<void>,
) {
  const name = `sk-logs-${randomBytes(4).toString("hex")}`;
  const command = ["--entrypoint", "sh", storeImages.redis8, "-c", script];
  await run(["docker", "run", "--detach", "--name", name, ...options, ...command]);
  try {
    await work(name);
  } finally {
    await run(["docker", "rm", "--force", "--volumes", name]);
  }
}

it("tells a log that says something from one that does not, within a time, and from one that cannot be read", async () => {
  const engine = await connect();
  await withContainer([], "echo hello; exec sleep 3600", async (id) => {
    await until("a line", 60_000, async () => (await readLog(engine, id)) === "hello\n");
    const now = Math.ceil(Date.now() / 1000);
    expect(await logKind(engine, id)).toBe("text");
    expect(await logKind(engine, id, { since: now - 3600, until: now + 1 })).toBe("text");
    expect(await logKind(engine, id, { since: now - 7200, until: now - 3600 })).toBe("empty");
  });
  await withContainer([], "exec sleep 3600", async (id) => {
    expect(await logKind(engine, id)).toBe("empty");
  });
  await withContainer(["--log-driver", "none"], "echo hello; exec sleep 3600", async (id) => {
    expect(await logKind(engine, id)).toBe("unreadable");
  });
});
