import { spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { homedir, userInfo } from "node:os";
import { join } from "node:path";

/** Finds traces of this machine in the sources: registry addresses in the lock file, the path of the checkout or of the home directory. */
export async function findTraces(root: string): Promise<string[]> {
  const listed = spawnSync("git", ["ls-files", "-z"], { cwd: root, encoding: "utf8" });
  if (listed.status !== 0) return [`git ls-files: ${listed.stderr}`];
  const home = homedir();
  const traces = [`${root}/`];
  // Root's home directory has the same path on every machine.
  if (userInfo().uid !== 0 && home !== "/") traces.push(`${home}/`);
  const problems: string[] = [];
  for (const file of listed.stdout.split("\0").filter((name) => name !== "")) {
    // A listed file may have been deleted without a commit.
    const text = await readFile(join(root, file), "utf8").catch(() => "");
    for (const trace of traces) {
      if (text.includes(trace)) problems.push(`${file} holds ${trace}, a path of this machine`);
    }
  }
  const lock = await readFile(join(root, "package-lock.json"), "utf8");
  const [address] = /"resolved": "[\w+]+:[^"]*/.exec(lock) ?? [];
  if (address !== undefined) problems.push(`package-lock.json names a registry: ${address}"`);
  const entries = Object.entries(
    JSON.parse(lock).packages as Record<string, { engines?: unknown }>,
  );
  if (entries.some(([path, { engines }]) => path !== "" && engines !== undefined)) {
    problems.push("package-lock.json tells engines: node scripts/complete-lock.ts");
  }
  return problems;
}
