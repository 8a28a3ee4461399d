import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { cp, mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { formatManifest, parseManifest } from "../../src/model/manifest.ts";
import { exhaustive } from "../lab/matrix.ts";
import { run } from "../lab/run.ts";
import { smallStack } from "./support/small-stack.ts";

/** Changes the compose file in a backup that is not encrypted, with all that tells of it; nobody signs it again. */
async function changeFile(backup: string, change: (text: string) => string): Promise<void> {
  const file = join(backup, "stack.tar.zst");
  const work = `${backup}-work`;
  await mkdir(work);
  await run(["sh", "-c", `zstd -dc "$1" | tar -x -C "$2"`, "sh", file, work]);
  const found = await run(["find", work, "-name", "compose.yaml"]);
  const path = found.trim();
  await writeFile(path, change(await readFile(path, "utf8")));
  const tar = join(work, "..", "stack.tar");
  const how = ["--format=pax", "--numeric-owner", "--sort=name"];
  await run(["tar", "--create", ...how, `--file=${tar}`, `--directory=${work}`, "."]);
  await run(["zstd", "--quiet", "--force", tar, "-o", file]);
  const stored = await readFile(file);
  const manifest = parseManifest(await readFile(join(backup, "manifest.json"), "utf8"));
  const changed = {
    bytes: stored.length,
    sha256: createHash("sha256").update(stored).digest("hex"),
    plainBytes: (await stat(tar)).size,
    plainSha256: undefined,
  };
  const components = manifest.components.map(({ details, ...one }) => {
    if (one.name !== "stack") return { ...one, details };
    const { index: _index, ...rest } = details;
    return { ...one, ...changed, details: rest };
  });
  await writeFile(join(backup, "manifest.json"), formatManifest({ ...manifest, components }));
  await rm(join(backup, "manifest.json.sig"), { force: true });
}

it(
  "puts up no stack of unknown origin whose definition takes in other files of the host",
  exhaustive,
  async () => {
    await using stack = await smallStack("unsigned", {
      app: 'image: IMAGE, volumes: ["./files:/srv"]',
    });
    const { directory, repository, scratch } = stack;
    const files = join(directory, "files");
    await mkdir(files);
    await writeFile(join(files, "a"), "a\n");
    await stack.compose(["up", "--detach", "--wait"]);
    const made = await stack.keeper("backup", "--unencrypted");
    expect(made.result, made.stderr).toMatchObject({ result: "backed-up" });
    await stack.compose(["down", "--timeout", "1"]);
    const outside = join(scratch, "other.yaml");
    await writeFile(outside, "services: { base: { labels: { secret: of-another-stack } } }\n");
    // As it comes from elsewhere: the repository knows its manifest.
    const backup = join(scratch, made.result.backupId);
    await cp(join(repository, "backups", made.result.backupId), backup, { recursive: true });
    const bare = async () => {
      await rm(directory, { recursive: true });
      await mkdir(directory);
    };
    const restore = ["--backup", backup, "--allow-unsigned", "--project-name", stack.projectName];

    await changeFile(backup, (text) =>
      text.replace("app: {", `app: { extends: { file: "\${NOBODY}${outside}", service: base },`),
    );
    await bare();
    const refused = await stack.keeper("restore", ...restore);
    expect(refused.result, refused.stderr).toMatchObject({
      result: "refused",
      reason: {
        class: "host-access",
        message: expect.stringContaining(`service app: extends reads ${outside} of the host`),
      },
    });
    expect(await run(["ls", "-A", directory])).toBe("");
    expect(await run(["docker", "ps", "-aq", "--filter", `name=${stack.projectName}`])).toBe("");

    await rm(`${backup}-work`, { recursive: true });
    await changeFile(backup, (text) => text.replace(/extends: \{.*?\},/, ""));
    const restored = await stack.keeper("restore", ...restore);
    expect(restored.result, restored.stderr).toMatchObject({ result: "restored" });
    expect(existsSync(join(files, "a"))).toBe(true);
  },
);
