import { appendFileSync } from "node:fs";
import { runPost } from "../../../src/action/post-step.ts";
import { runStep } from "../../../src/action/run.ts";
import { BackupFailedError, LockedError } from "../../../src/core/errors.ts";
import type { Command, Commands } from "../../../src/operations/session/command.ts";
import { requireRepository } from "../../../src/repository/require-repository.ts";

// The action's entry with commands that only tell what they were asked, for tests of the face itself.

const note = (line: string) => appendFileSync(process.env.TEST_NOTES ?? "", `${line}\n`);

/** A secret as a program's output may hold it: plain, in a URL, in JSON, as hex, in an encoded header. */
function leaks(secret: string): string[] {
  const encoded = ["", "u:", "user:"].map((before) =>
    Buffer.from(`${before}${secret}`).toString("base64"),
  );
  const hex = Buffer.from(secret).toString("hex");
  return [secret, encodeURIComponent(secret), JSON.stringify({ secret }), hex, ...encoded];
}

const endings: Readonly<Record<string, Command>> = {
  good: async (options, { reporter }) => {
    await reporter.group("Copying", async () => reporter.info(`of ${options.projectName}`));
    const components = [{ name: "data", store: "data", bytes: 100, plainBytes: 300, seconds: 2 }];
    return { result: "backed-up", seconds: 3, backupId: "demo-1", path: "/b/demo-1", components };
  },
  leaky: async (options, { reporter }) => {
    const forms = leaks(options.passphrase ?? "");
    reporter.warning(`opened with ${forms.join(" and ")}`);
    for (const form of forms) reporter.info(`tried ${form}`);
    await reporter.group(`With ${forms.join(", ")}`, async () => reporter.debug(forms.join()));
    return { result: "backed-up", seconds: 1, warnings: forms };
  },
  failing: async () => {
    throw new BackupFailedError("disk full", { hint: "make room", evidence: "ENOSPC" });
  },
  locked: async () => {
    throw new LockedError("another backup runs");
  },
  waiting: async (_, { signal }) => {
    note("started");
    await new Promise((resolve) => {
      const alive = setInterval(() => undefined, 1000);
      signal.addEventListener("abort", () => {
        clearInterval(alive);
        resolve(undefined);
      });
    });
    signal.throwIfAborted();
    return { result: "backed-up", seconds: 0 };
  },
};

const commands: Commands = {
  backup: (options, dependencies) => {
    note("backup");
    return (endings[options.databaseName ?? "good"] as Command)(options, dependencies);
  },
  recover: async ({ repository }) => {
    note("recover");
    await requireRepository(repository);
    return { result: "recovered", seconds: 0 };
  },
  list: async () => ({ result: "listed", seconds: 0 }),
  restore: async ({ passphrase, healthHeader }, { reporter }) => {
    const token = healthHeader?.split(" ").at(-1);
    for (const secret of [passphrase, healthHeader, token]) reporter.info(`asked with ${secret}`);
    return { result: "restored", seconds: 0 };
  },
};

await (process.argv[2] === "post" ? runPost(commands) : runStep(commands));
