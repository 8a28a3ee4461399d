import { readFile, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, it, TestRunner, vi } from "vitest";
import { composeHome, composeVersions } from "../lab/compose-versions.ts";
import { cells } from "../lab/matrix.ts";
import { settled } from "./support/layouts.ts";
import { healthFile, smallStack } from "./support/small-stack.ts";

// Compose reads the same files into other hashes from version to version, above all those with an `env_file`.

afterEach(() => {
  vi.unstubAllEnvs();
});

/** The Docker client looks for its plugins in the home directory first. */
function useHome(home: string): void {
  vi.stubEnv("HOME", home);
  vi.stubEnv("DOCKER_CONFIG", undefined);
}

const own = "the engine's own";
const pairs = composeVersions.flatMap((version) => [
  [version, version] as const,
  [version, own] as const,
  [own, version] as const,
]);

cells(
  it,
  pairs,
  () => false,
)("a stack that Compose %s made is upgraded with Compose %s", async (maker, user) => {
  const [made, used] = await Promise.all(
    [maker, user].map((one) => (one === own ? homedir() : composeHome(one))),
  );
  if (made === undefined || used === undefined) {
    const reason = `there is no Compose ${maker} or ${user} for this machine`;
    if (process.env.CI === "true") throw new Error(reason);
    return TestRunner.getCurrentTest()?.context.skip(reason);
  }
  useHome(made);
  await using stack = await smallStack(
    "versions",
    {
      app: `image: IMAGE, init: true, env_file: [app.env], volumes: ["DATA:/data"], secrets: [key], depends_on: { db: { condition: service_healthy } }, command: ["sh", "-c", "[ $$V != 3 ] || { echo bad >/data/a; exit 1; }; touch /tmp/healthy; exec sleep infinity"], ${healthFile}`,
      db: `image: IMAGE, init: true, env_file: [app.env], volumes: ["db:/db"], command: ["sh", "-c", "touch /tmp/healthy; exec sleep infinity"], ${healthFile}`,
    },
    "volumes: { db: {} }\nsecrets: { key: { file: ./key } }\n",
  );
  await writeFile(join(stack.directory, "app.env"), 'LEVEL=info\nQUOTED="a b"\n');
  await writeFile(join(stack.directory, "key"), "secret\n");
  await stack.compose(["up", "--detach"]);
  await settled(stack);
  const before = await stack.states();
  useHome(used);
  const good = await stack.upgrade({ app: 2 });
  expect(good.code, good.stderr).toBe(0);
  const bad = await stack.upgrade({ app: 3 });
  expect(bad.code, bad.stderr).toBe(6);
  expect(await stack.states()).toBe(before);
  expect(await stack.versions()).toEqual({ app: "2", db: "1" });
  expect(await readFile(join(stack.data, "a"), "utf8")).toBe("a\n");
  expect(await stack.sh("app", "echo $LEVEL $QUOTED; cat /run/secrets/key")).toBe(
    "info a b\nsecret",
  );
  await writeFile(join(stack.directory, "app.env"), 'LEVEL=debug\nQUOTED="a b"\n');
  const changed = await stack.upgrade({ app: 2 });
  expect(changed.code, changed.stderr).toBe(2);
  expect(changed.result.reason).toMatchObject({ class: "changed-files" });
  expect(changed.result.reason.message).toContain('app: environment.LEVEL: "info" -> "debug"');
});
