import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { silentReporter } from "../../../src/core/reporter.ts";
import type { TaskPlace } from "../../../src/core/task.ts";
import { temporaryDirectory } from "../../../src/core/temp.ts";
import { type Helper, startHelper } from "../../../src/helper/helper.ts";
import { KeptHelpers } from "../../../src/helper/kept.ts";

const place: TaskPlace = { mounts: [] };
const { signal } = new AbortController();

function helper(): Helper & { readonly ended: () => boolean } {
  let isOver = false;
  return {
    place,
    isTaken: () => isOver,
    run: async () => {
      if (isOver) throw new Error("written after its end");
      return "done";
    },
    end: async () => {
      isOver = true;
    },
    ended: () => isOver,
  };
}

it("ends a helper that was still starting when the others were ended", async () => {
  const one = helper();
  const started = Promise.withResolvers<Helper>();
  const kept = new KeptHelpers(() => started.promise, []);
  const result = kept.use(place, (it) => it.run({ task: "t", params: {} }, signal));
  let isGone = false;
  const end = kept.end().then(() => {
    isGone = true;
  });
  await Promise.resolve();
  expect(isGone).toBe(false);
  started.resolve(one);
  await end;
  expect(one.ended()).toBe(true);
  expect(await result).toBe("done");
});

it("gives no further task to a helper whose message could not be read", async () => {
  await using directory = await temporaryDirectory("sk-helper-");
  const docker = join(directory.path, "docker");
  // Answers each task with half a line of JSON, as one that is killed while it writes.
  await writeFile(
    docker,
    `#!/bin/sh\n[ "$1" = run ] || exit 0\nread -r task; echo '{"type":'; cat\n`,
  );
  await chmod(docker, 0o755);
  const environment = { PATH: `${directory.path}:${process.env.PATH}` };
  const entry = { script: "/entry.js", directories: [] };
  const remove = async () => undefined;
  const deps = { environment, operationId: "o", entry, reporter: silentReporter, remove };
  const broken = startHelper(deps, "image", place);
  const kept = new KeptHelpers(async () => broken, []);
  const task = (one: Helper) => one.run({ task: "t", params: {} }, signal);
  await expect(kept.use(place, task)).rejects.toThrow("JSON");
  expect(broken.isTaken()).toBe(true);
  await broken.end();
});
