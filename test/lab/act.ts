import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { hasCommand, run, tryRun } from "./run.ts";
import { labDirectory } from "./state.ts";
import { addTrixie, installPackages, osRelease } from "./tools.ts";

/** The version of act that the lab is tried with. */
export const actVersion = "v0.2.89";

/** Where Debian's package puts Go, which is not on the PATH. */
const packagedGo = "/usr/lib/go-1.24/bin/go";

/** Where the lab's act is: built from source, so that nothing but a Go module proxy is needed. */
export function actPath(): string {
  return join(labDirectory(), "bin", "act");
}

/** Why act cannot be used, or undefined when it can: for tests that skip without it. */
export async function actMissing(): Promise<string | undefined> {
  const found = await tryRun([actPath(), "--version"]);
  return found.code === 0 ? undefined : `act is not built (${actPath()}): npm run lab up`;
}

/** Builds act, which runs the action as a workflow does, unless this version is there. Brings Go along if it is missing. */
export async function ensureAct(): Promise<string> {
  const wanted = actVersion.slice(1);
  const found = await tryRun([actPath(), "--version"]);
  if (
    found.code === 0 &&
    (found.stdout.includes(wanted) || (await builtVersion()) === actVersion)
  ) {
    return `act ${wanted}, there`;
  }
  const go = await ensureGo();
  const directory = join(labDirectory(), "bin");
  await mkdir(directory, { recursive: true });
  // A Go that is older than act asks for fetches the one that it needs.
  const toolchain = { GOTOOLCHAIN: "auto", CGO_ENABLED: "0", GOFLAGS: "-buildvcs=false" };
  const env = { ...process.env, ...toolchain, GOBIN: directory };
  // Nice: compiling it must not slow down what the tests wait for.
  await run(["nice", "-n", "19", go, "install", `github.com/nektos/act@${actVersion}`], { env });
  return `act ${wanted}, built`;
}

/** The `go` command: the one on the PATH, or else Debian's or Ubuntu's own. */
async function ensureGo(): Promise<string> {
  if (await hasCommand("go")) return "go";
  const { id, version } = await osRelease();
  if (id !== "debian") {
    await installPackages(["golang-go"]);
    return "go";
  }
  // Bookworm's own is too old to fetch a newer one.
  if (version === "12") await addTrixie();
  if (!(await hasCommand(packagedGo))) {
    await installPackages([version === "12" ? "golang-1.24-go/trixie" : "golang-1.24-go"]);
  }
  return packagedGo;
}

async function builtVersion(): Promise<string | undefined> {
  const go = (await hasCommand("go")) ? "go" : packagedGo;
  const result = await tryRun([go, "version", "-m", actPath()]);
  return /^\s*mod\s+github\.com\/nektos\/act\s+(\S+)/m.exec(result.stdout)?.[1];
}
