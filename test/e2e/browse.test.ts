// @module-tag exhaustive
import { readdirSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { dockerUser } from "../lab/engine-user.ts";
import { cells } from "../lab/matrix.ts";
import { run } from "../lab/run.ts";
import { createStack } from "../lab/stack.ts";
import { type Caller, keeper, stackFlags } from "./support/keeper.ts";

const callers: readonly Caller[] = ["root", "docker user"];

/** Names that the lab's data directory has. */
const oddNames = [
  ...["with\nnewline", " leading blank", "trailing blank ", "-rf", "--help", "back\\slash"],
  ...["$(touch pwned)", "a;b&c|d", "...", "~", "tab\there", "x".repeat(255), 'double"quote'],
];

describe("a file with any name", () => {
  it("comes back beside the stack and in place, and undo puts back what was there", async () => {
    await using stack = await createStack({ tier: "personal", name: "browse-odd" });
    const at = stackFlags(stack, join(stack.scratch, "repository"));
    const odd = join(stack.dataDir, "documents/odd");
    const raw = Buffer.concat([Buffer.from(odd), Buffer.from("/latin1-\xe9\xff", "latin1")]);
    const files = [raw, ...oddNames.map((name) => join(odd, name))];
    const read = async () => await Promise.all(files.map(async (path) => await readFile(path)));
    const saved = await read();
    const made = await keeper(["backup", ...at, "--incremental"]);
    expect(made.result, made.stderr).toMatchObject({ result: "backed-up" });
    const wanted = oddNames.map((name) => `data/documents/odd/${name}`);
    const paths = ["--path", JSON.stringify([...wanted, "data/documents/odd/latin1-??"])];
    const target = join(stack.scratch, "found");
    const copied = await keeper(["restore", ...at, ...paths, "--target", target]);
    expect(copied.result, copied.stderr).toMatchObject({ result: "restored" });
    const copy = join(target, "data/documents/odd");
    const names = (path: string) => readdirSync(path, "latin1").toSorted(compare);
    expect(names(copy)).toHaveLength(files.length);
    expect(await run(["diff", "--recursive", copy, odd]).catch(String)).not.toContain("differ");

    for (const path of files) await writeFile(path, "newer");
    const there = [...at, "--allow-shared-paths"];
    const restored = await keeper(["restore", ...there, ...paths]);
    expect(restored.result, restored.stderr).toMatchObject({ result: "restored" });
    expect(await read()).toEqual(saved);
    const undone = await keeper(["undo", ...there]);
    expect(undone.result, undone.stderr).toMatchObject({ result: "restored" });
    expect((await read()).map(String)).toEqual(files.map(() => "newer"));
  });
});

const compare = (a: string, b: string) => (a < b ? -1 : 1);

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
