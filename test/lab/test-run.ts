import { randomBytes } from "node:crypto";
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { judgeOwner, ownProcess, type ProcessIdentity } from "../../src/core/identity.ts";
import { engineVersion } from "./engine.ts";
import { bringBridgesBack } from "./own-engine.ts";
import { endProcesses } from "./processes.ts";
import { removeStacks, stacksOf } from "./removal.ts";
import { run, tryRun } from "./run.ts";
import { currentRun, labDirectory, labPath, runLabel, runVariable } from "./state.ts";

/** One run of tests, or of the demo, and all that it starts and makes: its end leaves nothing of it. */
export interface TestRun {
  /** Ends its processes and removes its stacks, containers, mounts and temporary files. */
  end(): Promise<void>;
}

interface Note {
  readonly id: string;
  readonly directory: string;
  readonly owner: ProcessIdentity;
}

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

let interrupted = false;

/** Whether a signal has begun to end the run: what is started from here on would be left behind. */
export function isInterrupted(): boolean {
  return interrupted;
}

/**
 * Begins a run: what is started from here on belongs to it. SIGINT, SIGTERM and SIGHUP end it and then this process,
 * with 130. What a run that was killed left behind is removed first.
 *
 * @returns undefined inside of another run, which ends all of it.
 */
export async function beginRun(): Promise<TestRun | undefined> {
  if (currentRun() !== undefined) return undefined;
  await endDeadRuns();
  const id = `${process.pid}-${randomBytes(4).toString("hex")}`;
  // Short: the path of a socket below it has at most 107 bytes.
  const directory = await mkdtemp("/tmp/sk-run-");
  await chmod(directory, 0o1777);
  const note = { id, directory, owner: await ownProcess() };
  await writeFile(await notePath(id), JSON.stringify(note));
  process.env[runVariable] = id;
  // It may have been below the temporary directory.
  process.env.SOPHON_KEEPER_LAB_DIR = labDirectory();
  process.env.TMPDIR = directory;

  let ending: Promise<void> | undefined;
  const end = () => {
    ending ??= endRun(note);
    return ending;
  };
  const onSignal = (signal: string) => {
    if (ending === undefined) console.error(`\n${signal}: ending everything that was started`);
    interrupted = true;
    end().then(
      () => process.exit(130),
      (error) => {
        console.error(error);
        process.exit(130);
      },
    );
  };
  for (const signal of signals) process.on(signal, onSignal);
  return { end };
}

async function endDeadRuns(): Promise<void> {
  const parent = join(await notePath("x"), "..");
  const here = await ownProcess();
  for (const name of await readdir(parent)) {
    const note = parsed(await readFile(join(parent, name), "utf8").catch(() => ""));
    if (note === undefined) continue;
    if ((await judgeOwner(note.owner, here)) === "dead") await endRun(note);
  }
}

/** Undefined for one that is just being written, or was just removed. */
function parsed(text: string): Note | undefined {
  try {
    return JSON.parse(text) as Note;
  } catch {
    return undefined;
  }
}

async function endRun({ id, directory }: Note): Promise<void> {
  const stacks = await stacksOf(id);
  await endProcesses(id, [directory, ...stacks]);
  await bringBridgesBack(directory);
  if ((await engineVersion()) !== undefined) {
    for (const kind of ["container", "network", "volume"] as const) await removeLabelled(kind, id);
    await unmountBelow([directory, ...stacks.map((name) => `/${name}/`)]);
    await removeStacks(id);
  }
  await unmountBelow([directory]);
  await rm(directory, { recursive: true, force: true });
  await rm(await notePath(id), { force: true });
}

async function removeLabelled(kind: "container" | "network" | "volume", id: string) {
  const all = kind === "container" ? ["--all"] : [];
  const filter = ["--filter", `label=${runLabel}=${id}`];
  const found = await run(["docker", kind, "ls", ...all, "--quiet", ...filter]);
  const ids = found.split("\n").filter((line) => line !== "");
  const force = kind === "container" ? ["--force", "--volumes"] : [];
  if (ids.length > 0) await tryRun(["docker", kind, "rm", ...force, ...ids]);
}

/** Takes away what tests mounted at a path that holds one of these texts, the innermost first. */
async function unmountBelow(texts: readonly string[]): Promise<void> {
  const mounts = (await readFile("/proc/self/mounts", "utf8")).split("\n");
  const paths = mounts.map((line) => line.split(" ")[1] ?? "").toReversed();
  for (const path of paths.filter((one) => texts.some((text) => one.includes(text)))) {
    await tryRun(["umount", "--lazy", path]);
  }
}

async function notePath(id: string): Promise<string> {
  return await labPath("runs", `${id}.json`);
}
