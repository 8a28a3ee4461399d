import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { diff } from "../lab/compare.ts";
import type { LabStack } from "../lab/lab-stack.ts";
import { exhaustive } from "../lab/matrix.ts";
import { run } from "../lab/run.ts";
import { snapshot } from "../lab/snapshot.ts";
import { createStack } from "../lab/stack.ts";
import { gatewayState } from "../lab/writers.ts";
import { ageKey, keeper, stackFlags } from "./support/keeper.ts";

const page = join(import.meta.dirname, "..", "..", "docs", "recovery.md");

/** A socket is in no backup; what was moved aside is still there, and what Qdrant was given too. */
const ignore = [/agent\.sock: lost/, /_before/, /qdrant: .* snapshots left on the server/];

/** The commands of the page that say that they are tested, in their order. */
function commandsOf(text: string): string[] {
  const blocks = text.matchAll(/<!-- tested -->\n\n```sh\n([\s\S]*?)\n```/g);
  return [...blocks].map(([, commands = ""]) => commands);
}

/** What a bad night does to a stack. */
async function wreck(stack: LabStack): Promise<void> {
  await rm(join(stack.dataDir, "security"), { recursive: true });
  await writeFile(join(stack.dataDir, "left-by-a-newer-version"), "new");
  const sql = 'DROP TABLE "Messages" CASCADE; CREATE TABLE newer (id int)';
  const psql = ["psql", "-q", "-U", "sophon", "-d", "sophon", "-c", sql];
  await stack.compose(["exec", "-T", "postgres", ...psql]);
  await stack.compose(["exec", "-T", "redis", "redis-cli", "-e", "FLUSHALL"]);
}

it(
  "the commands of the recovery page, word for word, bring an enterprise stack back by hand",
  exhaustive,
  async () => {
    await using stack = await createStack({ tier: "enterprise", name: "recovery-page" });
    const at = stackFlags(stack, join(stack.scratch, "repository"));
    const { identity, recipient } = await ageKey(stack);
    const made = await keeper(["backup", ...at, "--recipients", recipient]);
    expect(made.result, made.stderr).toMatchObject({ result: "backed-up" });
    const before = await snapshot(stack);
    await wreck(stack);
    const commands = commandsOf(await readFile(page, "utf8"));
    expect(commands).toHaveLength(9);
    await run(["bash", "-e", "-o", "pipefail", "-c", commands.join("\n")], {
      cwd: stack.directory,
      env: {
        PATH: process.env.PATH,
        HOME: stack.scratch,
        BACKUP: made.result.path,
        KEY: identity,
        PROJECT: stack.projectName,
        SOPHON_DATA: stack.dataDir,
        QDRANT: stack.qdrantUrl,
        QDRANT_KEY: stack.credentials.qdrantKey,
      },
    });
    expect(diff(before, await snapshot(stack), { ignore })).toEqual([]);
    expect(await gatewayState(stack)).toMatchObject({ credentials: 6 });
  },
);
