import { describe, expect, it } from "vitest";
import { exhaustive } from "../lab/matrix.ts";
import { run } from "../lab/run.ts";
import { settled } from "./support/layouts.ts";
import { healthFile, type SmallStack, smallStack } from "./support/small-stack.ts";

// A volume without a name goes from container to container, as Compose has it: forward, back, and after a kill.

/** Notes each version in its volume; version 3 ruins it and ends. */
const program = `command: ["sh", "-c", "echo v$$V >>/data/log; [ $$V != 3 ] || { rm /data/*; exit 3; }; touch /tmp/healthy; exec sleep infinity"]`;

async function anonymousStack(name: string): Promise<SmallStack> {
  const stack = await smallStack(
    name,
    {
      app: `image: IMAGE, init: true, volumes: ["/data"], configs: [{ source: note, target: /etc/note }], ${program}, ${healthFile}`,
      side: `image: IMAGE, init: true, network_mode: "service:app", volumes: ["/own"], command: ["sleep", "infinity"], depends_on: [app]`,
    },
    "configs: { note: { content: written } }\n",
  );
  await stack.compose(["up", "--detach"]);
  await settled(stack);
  await stack.sh("app", "echo kept >/data/a");
  await stack.sh("side", "echo kept >/own/a");
  return stack;
}

async function seen(stack: SmallStack) {
  await settled(stack);
  const volumes = async (service: string) => {
    const id = (await stack.compose(["ps", "--all", "--quiet", service])).trim();
    const format = "{{range .Mounts}}{{.Destination}} {{.Name}};{{end}}";
    return (await run(["docker", "inspect", "--format", format, id])).trim();
  };
  return {
    states: await stack.states(),
    volumes: [await volumes("app"), await volumes("side")],
    kept: await stack.sh("app", "cat /data/a /etc/note"),
    own: await stack.sh("side", "cat /own/a"),
  };
}

describe("an upgrade of a service with a volume without a name", () => {
  it("keeps the volume with a good version, and a bad one gives it back", exhaustive, async () => {
    await using stack = await anonymousStack("anonymous");
    const before = await seen(stack);
    expect(before).toMatchObject({ kept: "kept\nwritten", own: "kept" });
    const good = await stack.upgrade({ app: 2 });
    expect(good.code, good.stderr).toBe(0);
    expect(await seen(stack)).toEqual(before);
    expect(await stack.versions()).toMatchObject({ app: "2", side: "1" });
    expect(await stack.sh("app", "cat /data/log")).toBe("v1\nv2");
    const bad = await stack.upgrade({ app: 3 });
    expect(bad.code, bad.stderr).toBe(6);
    expect(await seen(stack)).toEqual(before);
    expect(await stack.sh("app", "cat /data/log")).toBe("v1\nv2\nv2");
  });

  it(
    "is recovered with it, also from a container that Compose gave another",
    exhaustive,
    async () => {
      await using stack = await anonymousStack("anonymous-kill");
      const before = await seen(stack);
      const killed = await stack.killedAtStep("recreate", { app: 3 });
      expect(killed.signal, killed.stderr).toBe("SIGKILL");
      // What the rollback had begun when it was killed: the container is there, and its volume is empty.
      await stack.compose(["up", "--no-start"]);
      const recovered = await stack.keeper("recover", "--project-name", stack.projectName);
      expect(recovered.code, recovered.stderr).toBe(0);
      expect(await seen(stack)).toEqual(before);
      expect(await stack.versions()).toMatchObject({ app: "1", side: "1" });
    },
  );
});
