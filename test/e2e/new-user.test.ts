// @module-tag exhaustive
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, it } from "vitest";
import { bundle } from "../../scripts/bundle.ts";
import { temporaryDirectory } from "../../src/core/temp.ts";
import { version } from "../../src/version.ts";
import { spawnText } from "../contract/support/spawn-text.ts";
import { createStack } from "../lab/stack.ts";
import { atTerminal } from "./support/at-terminal.ts";

const root = join(import.meta.dirname, "../..");
const shipped = ["docs", "examples", "completions", "man", "sophon-keeper.schema.json"];
/** What the README promises. */
const promisedMs = 5 * 60_000;

/** The package as it is published, from a build of these sources. */
async function packed(place: string): Promise<string> {
  const sources = join(place, "sources");
  for (const name of ["package.json", "README.md", "LICENSE", "action.yml", ...shipped]) {
    cpSync(join(root, name), join(sources, name), { recursive: true });
  }
  await bundle(join(sources, "dist"));
  execFileSync("npm", ["pack", "--silent", "--pack-destination", place], { cwd: sources });
  return join(place, `sophon-keeper-${version}.tgz`);
}

it("brings somebody who answers five questions from npx to a schedule that works, in five minutes", async () => {
  await using place = await temporaryDirectory("sophon-keeper-new-");
  await using stack = await createStack({ tier: "personal", name: "new-user" });
  const tarball = await packed(place.path);
  const home = join(place.path, "home");
  mkdirSync(home);
  const kept = `/usr/local/lib/sophon-keeper-${version}`;
  const wasKept = existsSync(kept);
  const env = { HOME: home, PATH: `${dirname(process.execPath)}:${process.env.PATH}` };
  const files = join(stack.scratch, "files");
  const begun = performance.now();
  try {
    const terminal = atTerminal(
      ["init", "--project-name", stack.projectName, "--into", files],
      { ...env, npm_config_cache: join(home, ".npm") },
      ["npx", "--offline", "--yes", `--package=${tarball}`, "sophon-keeper"],
    );
    for (const question of ["age key pairs", "for GitHub", "for systemd"]) {
      await terminal.shows(new RegExp(`${question} .*\\[[Yy]/[Nn]\\] $`));
      terminal.type(question === "for systemd" ? "y\r" : "\r");
    }
    for (const question of ["for cron", "first backup"]) {
      await terminal.shows(new RegExp(`${question} .*\\[[Yy]/[Nn]\\] $`));
      terminal.type("\r");
    }
    const { code, screen } = await terminal.ended;
    process.stdout.write(`${screen}\n${((performance.now() - begun) / 1000).toFixed(1)} s\n`);
    expect(code, screen).toBe(0);
    expect(performance.now() - begun).toBeLessThan(promisedMs);
    expect(screen).toContain("verified: ");
    expect(screen).toContain(`Move ${join(home, "sophon-keeper-keys/backup.key")}`);
    // npm cleans its cache at any time.
    await rm(join(home, ".npm"), { recursive: true });
    const unit = await readFile(join(files, "systemd/sophon-keeper-backup.service"), "utf8");
    const lines = [...unit.matchAll(/^ExecStart=(.*)$/gm)].map(([, line = ""]) => line);
    expect(lines).toHaveLength(2);
    for (const line of lines) {
      // As systemd has it: little in the environment, and no terminal.
      const env = { HOME: home, PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin" };
      const { code, stdout, stderr } = await spawnText("sh", ["-c", `exec ${line} --json`], env);
      expect(code, stderr).toBe(0);
      expect(JSON.parse(stdout).result).toMatch(/^(backed-up|verified)$/);
    }
  } finally {
    if (!wasKept) await rm(kept, { recursive: true, force: true });
    await rm(join("/var/lib/sophon-keeper", stack.projectName), { recursive: true, force: true });
  }
});
