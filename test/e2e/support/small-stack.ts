import { randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ensureRegistry } from "../../lab/registry.ts";
import { removeStack } from "../../lab/removal.ts";
import { run, tryRun } from "../../lab/run.ts";
import { ensureStandIns, pythonImage } from "../../lab/sophon.ts";
import { labPath, lockLab } from "../../lab/state.ts";
import { keeper, type Outcome, startKeeper } from "./keeper.ts";
import { killProgram } from "./killed.ts";

/** A Compose stack of a few small containers, for what depends on their order and not on their data. */
export interface SmallStack extends AsyncDisposable {
  readonly projectName: string;
  readonly directory: string;
  readonly scratch: string;
  readonly repository: string;
  /** A directory of the host that the compose file may mount. */
  readonly data: string;
  /** The reference of a version of the image: they differ in their id and in the variable V. */
  image(version: number): string;
  compose(args: readonly string[]): Promise<string>;
  /** Runs a shell command in a service's container; what it says, also when it fails. */
  sh(service: string, command: string): Promise<string>;
  /**
   * What each container does, sorted: its name without the project's, its state, its health. One that was made anew
   * and not started (`created`) is as good as one that has ended.
   */
  states(): Promise<string>;
  /** The variable V of the containers, by service. */
  versions(): Promise<Readonly<Record<string, string>>>;
  keeper(command: string, ...more: readonly string[]): Promise<Outcome>;
  upgrade(images: Readonly<Record<string, number>>, ...more: readonly string[]): Promise<Outcome>;
  /** An upgrade that is killed with SIGKILL once a step of its journal is on the disk. */
  killedAtStep(step: string, images: Readonly<Record<string, number>>): Promise<Outcome>;
}

/** A health check that says yes once a file is there, and is asked often only until then: each look costs a process. */
export const healthFile = `healthcheck: { test: ["CMD", "test", "-e", "/tmp/healthy"], interval: 5s, retries: 6, start_period: 60s, start_interval: 500ms }`;

/**
 * Brings up a stack of these services. Each line of `services` is one in YAML flow style; IMAGE stands for version 1 of
 * the image, DATA for the directory of the host. The image is made from `base`.
 */
export async function smallStack(
  name: string,
  services: Readonly<Record<string, string>>,
  more = "",
  base = pythonImage,
): Promise<SmallStack> {
  const { projectName, root, directory, host } = await prepare(name);
  const [scratch, data] = [join(root, "scratch"), join(root, "data")];
  for (const path of [scratch, data]) await mkdir(path);
  await writeFile(join(data, "a"), "a\n");
  const image = (version: number) => `${host}/${projectName}/lab/small:${version}`;
  const pushed = new Map<number, Promise<void>>();
  const publish = async (version: number) => {
    const pushing = pushed.get(version) ?? push(image(version), version, base);
    pushed.set(version, pushing);
    await pushing;
  };
  await publish(1);
  const lines = Object.entries(services).map(([service, text]) => `  ${service}: { ${text} }`);
  const file = `name: ${projectName}\nservices:\n${lines.join("\n")}\n${more}`;
  const text = file.replaceAll("IMAGE", image(1)).replaceAll("DATA", data);
  await writeFile(join(directory, "compose.yaml"), text);
  const compose = (args: readonly string[]) =>
    run(["docker", "compose", ...args], { cwd: directory });
  const inspect = async (format: string) => {
    const filter = `label=com.docker.compose.project=${projectName}`;
    const ids = (await run(["docker", "ps", "-aq", "--filter", filter])).trim().split("\n");
    return (await run(["docker", "inspect", "--format", format, ...ids])).trim().split("\n");
  };
  const repository = join(scratch, "repository");
  const flags = ["--project-directory", directory, "--repository", repository];
  // Beside this test there may run a machine that sees the whole lab.
  const shared = (command: string) =>
    ["restore", "undo", "upgrade-test"].includes(command) ? ["--allow-shared-paths"] : [];
  const argv = (command: string, given: readonly string[]) => [
    command,
    ...flags,
    ...shared(command),
    ...given,
  ];
  const named = async (images: Readonly<Record<string, number>>) => {
    await Promise.all(Object.values(images).map(publish));
    const pairs = Object.entries(images).map(
      ([service, version]) => `${service}=${image(version)}`,
    );
    return pairs.join(",");
  };
  const health = ["--soak", "2s", "--health-timeout", "40s"];
  return {
    ...{ projectName, directory, scratch, repository, data, image, compose },
    sh: async (service, command) => {
      const exec = ["docker", "compose", "exec", "-T", service, "sh", "-c", command];
      const { stdout, stderr } = await tryRun(exec, { cwd: directory });
      return `${stdout}${stderr}`.trim();
    },
    states: async () => {
      const format = "{{.Name}} {{.State.Status}} {{with .State.Health}}{{.Status}}{{end}}";
      const short = (line: string) =>
        line
          .slice(projectName.length + 2)
          .replace(" created", " exited")
          .trim();
      return (await inspect(format)).map(short).toSorted().join("; ");
    },
    versions: async () => {
      const service = '{{index .Config.Labels "com.docker.compose.service"}}';
      const all = await inspect(`${service} {{range .Config.Env}}{{.}} {{end}}`);
      const of = (line: string) => [line.split(" ")[0], /\bV=(\d)/.exec(line)?.[1]];
      return Object.fromEntries(all.map(of));
    },
    keeper: async (command, ...given) => await keeper(argv(command, given)),
    upgrade: async (images, ...given) => {
      const soak = given.includes("--health-timeout") ? health.slice(0, 2) : health;
      return await keeper(
        argv("upgrade-test", ["--images", await named(images), ...soak, ...given]),
      );
    },
    killedAtStep: async (step, images) => {
      const preload = join(import.meta.dirname, "run-at-step.ts");
      const env = { RUN_AT_STEP: step, RUN_COMMAND: killProgram };
      const args = argv("upgrade-test", ["--images", await named(images), ...health]);
      return await startKeeper(args, { preload, env }).ended;
    },
    [Symbol.asyncDispose]: () => removeStack(projectName, directory, root, undefined),
  };
}

async function prepare(name: string) {
  await using _lock = await lockLab();
  await ensureStandIns("personal");
  const { host } = await ensureRegistry();
  const projectName = `sk-${name}-${randomBytes(3).toString("hex")}`;
  const root = join(await labPath("stacks", projectName, "x"), "..");
  const directory = join(root, projectName);
  await mkdir(directory, { recursive: true });
  return { projectName, root, directory, host };
}

/** Pushed, and with all but the first forgotten under this name, so that it has to be pulled. */
async function push(reference: string, version: number, base: string): Promise<void> {
  await run(["docker", "tag", await versionImage(version, base), reference]);
  await run(["docker", "push", "--quiet", reference]);
  if (version > 1) await run(["docker", "rmi", "--no-prune", reference]);
}

/** A version of the image, which all stacks share; it is built once. */
async function versionImage(version: number, base: string): Promise<string> {
  await using _lock = await lockLab();
  const id = (await run(["docker", "image", "inspect", "--format", "{{.Id}}", base])).trim();
  const image = `sophon-keeper-lab/small:${version}-${id.replace("sha256:", "").slice(0, 12)}`;
  if ((await tryRun(["docker", "image", "inspect", image])).code === 0) return image;
  const file = `FROM ${base}\nENV V=${version}\nCMD ["sleep", "infinity"]\n`;
  await run(["docker", "build", "--quiet", "--tag", image, "-"], { input: file });
  return image;
}
