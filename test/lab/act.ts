import { mkdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { temporaryDirectory } from "../../src/core/temp.ts";
import { hasCommand, run, tryRun } from "./run.ts";
import { labDirectory } from "./state.ts";
import { addTrixie, installPackages, osRelease } from "./tools.ts";

/** The version of act that the lab is tried with. */
const actVersion = "v0.2.89";
const actionlintVersion = "v1.7.12";

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

/** Builds act, which runs the action as a workflow does, unless this version is there. */
export async function ensureAct(): Promise<string> {
  const how = await ensureGoProgram("github.com/nektos/act", actVersion);
  return `act ${actVersion.slice(1)}, ${how}`;
}

/** Where actionlint is, which knows what GitHub makes of a workflow; built unless this version is there. */
export async function ensureActionlint(): Promise<string> {
  await ensureGoProgram("github.com/rhysd/actionlint", actionlintVersion, "/cmd/actionlint");
  return join(labDirectory(), "bin", "actionlint");
}

/** Where actionlint is: on the PATH, built before, or built now if this machine has Go; undefined where it has not. */
export async function findActionlint(): Promise<string | undefined> {
  if (await hasCommand("actionlint")) return "actionlint";
  const built = join(labDirectory(), "bin", "actionlint");
  if ((await tryRun([built, "-version"])).code === 0) return built;
  const hasGo = (await hasCommand("go")) || (await hasCommand(packagedGo));
  return hasGo ? await ensureActionlint() : undefined;
}

/** Builds a program from source into the lab's directory. Brings Go along if it is missing. */
export async function ensureGoProgram(
  module: string,
  version: string,
  folder = "",
): Promise<"there" | "built"> {
  const directory = join(labDirectory(), "bin");
  const path = join(directory, basename(`${module}${folder}`));
  if ((await builtVersion(module, path)) === version) return "there";
  await mkdir(directory, { recursive: true });
  // Nice: compiling it must not slow down what the tests wait for.
  await runGo(["install", `${module}${folder}@${version}`], {
    ...{ env: { GOBIN: directory }, before: ["nice", "-n", "19"] },
  });
  return "built";
}

/** Builds a program whose module excludes or replaces others, which only its own source may say: from a copy of that. */
export async function buildGoModule(
  module: string,
  version: string,
  { folder, linker, program }: { folder: string; linker: string; program: string },
): Promise<void> {
  const told = await runGo(["mod", "download", "-json", `${module}@${version}`]);
  const { Dir: source } = JSON.parse(told.slice(told.indexOf("{"))) as { Dir: string };
  await using copy = await temporaryDirectory("sophon-keeper-go-", labDirectory());
  await run(["cp", "--recursive", "--no-preserve=mode", `${source}/.`, copy.path]);
  const cwd = copy.path;
  await runGo(["build", `-ldflags=${linker}`, "-o", program, `./${folder}`], { cwd });
}

async function runGo(
  args: readonly string[],
  { before = [], env = {}, ...options }: { before?: string[]; env?: object; cwd?: string } = {},
): Promise<string> {
  // A Go that is older than the program asks for fetches the one that it needs.
  const toolchain = { GOTOOLCHAIN: "auto", CGO_ENABLED: "0", GOFLAGS: "-buildvcs=false" };
  const all = { ...process.env, ...toolchain, ...env };
  return await run([...before, await ensureGo(), ...args], { ...options, env: all });
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

/** The version of the module that a program was built from; undefined where there is no such program, or no Go. */
async function builtVersion(module: string, path: string): Promise<string | undefined> {
  const go = (await hasCommand("go")) ? "go" : packagedGo;
  const { code, stdout } = await tryRun([go, "version", "-m", path]).catch(() => ({
    code: 1,
    stdout: "",
  }));
  const line = stdout.split("\n").find((one) => one.trim().startsWith(`mod\t${module}\t`));
  return code === 0 ? line?.trim().split("\t")[2] : undefined;
}
