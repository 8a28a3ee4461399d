import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll } from "vitest";
import { bundle } from "../../../scripts/bundle.ts";

/** What the runner would see of one step. */
export interface StepReport {
  readonly code: number | null;
  readonly log: string;
  readonly outputs: Readonly<Record<string, string>>;
  readonly state: Readonly<Record<string, string>>;
  readonly summary: string;
  /** What the commands of `entry.ts` noted. */
  readonly notes: string[];
}

let built: Promise<string> | undefined;

/** Bundled like what is shipped, once for a test file: it starts in a third of the processor time of the sources. */
async function buildEntry(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "sophon-keeper-entry-"));
  await bundle(directory, { entry: "test/unit/action/entry.ts" });
  return directory;
}

afterAll(async () => {
  if (built !== undefined) await rm(await built, { recursive: true, force: true });
});

/** A place where steps run one after another like in a job: files of their own, a scrubbed environment. */
export class Job implements AsyncDisposable {
  readonly directory: string;
  readonly environment: Record<string, string> = {};

  constructor(directory: string) {
    this.directory = directory;
  }

  static async start(): Promise<Job> {
    return new Job(await mkdtemp(join(tmpdir(), "sophon-keeper-job-")));
  }

  /** Runs a step to its end; `during` is called with the process as soon as it runs. */
  async run(
    inputs: Readonly<Record<string, string>>,
    options: {
      readonly post?: boolean;
      readonly state?: Readonly<Record<string, string>>;
      readonly event?: { readonly name: string; readonly payload: unknown };
      readonly during?: (child: ChildProcess, notes: () => Promise<string[]>) => Promise<void>;
    } = {},
  ): Promise<StepReport> {
    const file = (name: string) => join(this.directory, name);
    await mkdir(this.directory, { recursive: true });
    for (const name of ["output", "state", "summary", "notes"]) await writeFile(file(name), "");
    const payload = options.event === undefined ? {} : options.event.payload;
    await writeFile(file("event.json"), JSON.stringify(payload));
    const notes = async () => lines(await readFile(file("notes"), "utf8"));
    built ??= buildEntry();
    const entry = join(await built, "entry.js");
    const child = spawn(process.execPath, [entry, options.post === true ? "post" : "main"], {
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        PATH: process.env.PATH,
        GITHUB_OUTPUT: file("output"),
        GITHUB_STATE: file("state"),
        GITHUB_STEP_SUMMARY: file("summary"),
        GITHUB_EVENT_PATH: file("event.json"),
        GITHUB_EVENT_NAME: options.event?.name ?? "schedule",
        GITHUB_REPOSITORY: "ada/stack",
        GITHUB_WORKSPACE: this.directory,
        TEST_NOTES: file("notes"),
        ...prefixed("INPUT_", inputs),
        ...prefixed("STATE_", options.state ?? {}, (name) => name),
        ...this.environment,
      },
    });
    const log = Promise.all([text(child.stdout), text(child.stderr)]);
    const code = new Promise<number | null>((resolve) => child.once("close", resolve));
    await options.during?.(child, notes);
    return {
      code: await code,
      log: (await log).join(""),
      outputs: assignments(await readFile(file("output"), "utf8")),
      state: assignments(await readFile(file("state"), "utf8")),
      summary: await readFile(file("summary"), "utf8"),
      notes: await notes(),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.directory, { recursive: true, force: true });
  }
}

function prefixed(
  prefix: string,
  values: Readonly<Record<string, string>>,
  spell = (name: string) => name.toUpperCase(),
): Record<string, string> {
  const named = Object.entries(values).map(([name, value]) => [`${prefix}${spell(name)}`, value]);
  return Object.fromEntries(named);
}

/** Reads the runner's `name<<delimiter` blocks. */
function assignments(content: string): Record<string, string> {
  const blocks = content.matchAll(/^(.+?)<<(ghadelimiter_\S+)\n([\s\S]*?)\n?\2$/gm);
  return Object.fromEntries([...blocks].map(([, name, , value]) => [name, value]));
}

function lines(content: string): string[] {
  return content.split("\n").filter((line) => line !== "");
}
