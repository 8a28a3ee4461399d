// @module-tag exhaustive
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { dockerUser } from "../lab/engine-user.ts";
import { cells } from "../lab/matrix.ts";
import { run } from "../lab/run.ts";
import { createStack } from "../lab/stack.ts";
import { type Caller, keeper, stackFlags } from "./support/keeper.ts";

const callers: readonly Caller[] = ["root", "docker user"];

describe("a file of a running stack", () => {
  cells(
    it,
    callers,
    (as) => as === "docker user",
  )("is found, compared and restored beside the stack by %s", async (as) => {
    const owner = as === "root" ? {} : { owner: dockerUser };
    await using stack = await createStack({ tier: "personal", name: "browse", ...owner });
    const at = stackFlags(stack, join(stack.scratch, "repository"));
    const file = join(stack.dataDir, "config", "lost.json");
    await run(["mkdir", "-p", join(stack.dataDir, "config")]);
    await writeFile(file, "kept");
    await run(["chown", "1234:2345", file]);
    await run(["setfattr", "-n", "user.colour", "-v", "blue", file]);
    const seen = async (path: string) =>
      (await run(["stat", "--format", "%u %g %a %y %s", path])) +
      (await run(["getfattr", "--absolute-names", "--only-values", "-n", "user.colour", path]));
    const before = await seen(file);
    const made = await keeper(["backup", ...at], { as });
    expect(made.result, made.stderr).toMatchObject({ result: "backed-up" });
    await run(["rm", file]);

    const gone = await keeper(["diff", ...at, "--against", "live"], { as });
    expect(gone.result, gone.stderr).toMatchObject({ result: "listed" });
    expect(gone.result?.differences).toMatchObject({
      files: expect.arrayContaining([{ path: "data/config/lost.json", change: "removed" }]),
    });
    const found = await keeper(["find", ...at, "--path", "lost.json"], { as });
    expect(found.result?.found).toMatchObject([{ path: "data/config/lost.json", bytes: 4 }]);

    const target = join(stack.scratch, "found");
    const restored = await keeper(["restore", ...at, "--path", "config", "--target", target], {
      as,
    });
    expect(restored.result, restored.stderr).toMatchObject({ result: "restored" });
    const copy = join(target, "data", "config", "lost.json");
    expect(await seen(copy)).toBe(before);
    expect(await readFile(copy, "utf8")).toBe("kept");
    const again = await keeper(["restore", ...at, "--path", "config", "--target", target], { as });
    expect(again.result).toMatchObject({ result: "refused" });
    expect(await seen(copy)).toBe(before);
  });
});
