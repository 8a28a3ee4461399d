import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { access, constants } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { dockerPatience } from "../core/docker-patience.ts";
import { RefusedError } from "../core/errors.ts";
import { ExecError, run, spawnStream } from "../core/exec.ts";
import { keeperLabels } from "../model/keeper-labels.ts";

/** The name of the helper image without its tag. */
const helperRepository = "sophon-keeper/helper";

/** The tools that tasks run: GNU tar and the coreutils. */
const tools = ["tar", "cp", "mv", "rm", "ln", "chown", "chmod", "stat", "sync", "df", "du"];
const toolDirectories = ["/usr/local/bin", "/usr/bin", "/bin"];
const oldImageMs = 7 * 24 * 60 * 60 * 1000;

/** The path of Node in the image. */
const nodePlace = "usr/local/bin/node";

/** The content of the helper image: programs and their libraries, each at its own path. */
interface HelperFiles {
  readonly node: string;
  readonly paths: readonly string[];
}

/**
 * Makes sure that the helper image exists: this Node, GNU tar and the coreutils with their libraries, imported from this
 * host. Nothing is pulled, and images without a shell are no problem. The tag is a hash of the content.
 *
 * @returns the image's reference.
 * @throws RefusedError if a tool is missing on this host.
 */
export async function ensureHelperImage(
  environment: Readonly<Record<string, string>>,
  node: string = process.execPath,
): Promise<string> {
  const files = await helperFiles(node);
  const image = `${helperRepository}:${await contentHash(files)}`;
  if (await hasImage(environment, image)) return image;
  await importImage(environment, files, image);
  await removeOldImages(environment, image);
  return image;
}

/** The programs of the image and all shared libraries that they load. */
async function helperFiles(node: string): Promise<HelperFiles> {
  const programs = [node, ...(await Promise.all(tools.map(findTool)))];
  const libraries = await Promise.all(programs.map(librariesOf));
  const paths = [...new Set([...programs, ...libraries.flat()])].toSorted((a, b) =>
    a < b ? -1 : 1,
  );
  return { node, paths };
}

async function findTool(name: string): Promise<string> {
  for (const directory of toolDirectories) {
    const path = join(directory, name);
    const usable = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (usable) return path;
  }
  throw new RefusedError(`the command ${name} is missing on this host`, {
    class: "no-tool",
    hint: "Install GNU tar and GNU coreutils.",
  });
}

/** Reads `ldd`: `libc.so.6 => /lib/libc.so.6 (0x…)` and `/lib64/ld-linux-x86-64.so.2 (0x…)`. */
async function librariesOf(program: string): Promise<string[]> {
  // `ldd` exits with 1 for a static program.
  const { stdout, exitCode } = await run("ldd", [program], { okCodes: [0, 1] });
  if (exitCode !== 0) return [];
  const missing = /(\S+) => not found/.exec(stdout);
  if (missing !== null)
    throw new Error(`${program} needs ${missing[1]}, which is not on this host`);
  return [...stdout.matchAll(/(?:^|\s)(\/\S+) \(0x/gm)].flatMap(([, path]) => path ?? []);
}

/** Node is hashed by its content, because its path differs between installations. */
async function contentHash({ node, paths }: HelperFiles): Promise<string> {
  const hash = createHash("sha256").update(nodePlace);
  for (const path of [node, ...paths.filter((other) => other !== node)]) {
    if (path !== node) hash.update(`${path}\0`);
    await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), async (chunks) => {
      for await (const chunk of chunks) hash.update(chunk as Buffer);
    });
  }
  return hash.digest("hex").slice(0, 16);
}

async function hasImage(
  environment: Readonly<Record<string, string>>,
  image: string,
): Promise<boolean> {
  const { exitCode } = await run("docker", ["image", "inspect", "--format", "{{.Id}}", image], {
    addEnv: environment,
    okCodes: [0, 1],
    timeoutMs: dockerPatience.answerMs,
  });
  return exitCode === 0;
}

async function importImage(
  environment: Readonly<Record<string, string>>,
  files: HelperFiles,
  image: string,
): Promise<void> {
  const directories = (name: RegExp) =>
    [...new Set(files.paths.filter((path) => name.test(path)).map(dirname))].join(":");
  const changes = [
    `ENV PATH=${toolDirectories.join(":")}`,
    `ENV LD_LIBRARY_PATH=${directories(/\.so(\.|$)/)}`,
    `LABEL ${keeperLabels.kind}=helper-image`,
  ].flatMap((change) => ["--change", change]);
  // Follow links: each library becomes a plain file under the name by which it is loaded.
  const names = files.paths.map((path) => path.slice(1));
  const packing = ["--create", "--dereference", "--hard-dereference", "--numeric-owner"];
  // Node gets a place on the PATH: on this host it may be below /tmp, which is a tmpfs in a helper.
  const moved = `--transform=s,^${escaped(files.node.slice(1))}$,${nodePlace},`;
  const owner = [moved, "--owner=0", "--group=0", "--mode=a+rX", "--directory=/", "--", ...names];
  const tar = spawnStream("tar", [...packing, ...owner]);
  const docker = spawnStream("docker", ["import", ...changes, "-", image], {
    addEnv: environment,
    pipeInput: true,
    timeoutMs: dockerPatience.importMs,
  });
  docker.stdout.resume();
  await Promise.all([pipeline(tar.stdout, docker.stdin), tar.done, docker.done]);
}

/** A path as a basic regular expression between commas. */
function escaped(path: string): string {
  return path.replaceAll(/[.*[\]^$\\,]/g, "\\$&");
}

/** Removes images of earlier Node versions. An image in use stays, and so does a new one that another run may need. */
async function removeOldImages(
  environment: Readonly<Record<string, string>>,
  current: string,
): Promise<void> {
  const format = ["--format", "{{.Repository}}:{{.Tag}}\t{{.CreatedAt}}"];
  const { stdout } = await run("docker", ["image", "ls", ...format, helperRepository], {
    addEnv: environment,
    timeoutMs: dockerPatience.answerMs,
  });
  for (const line of stdout.trim().split("\n")) {
    const [image = "", created = ""] = line.split("\t");
    const age = Date.now() - Date.parse(created.replace(/ [A-Z]+$/, ""));
    if (image === current || !(age > oldImageMs)) continue;
    await run("docker", ["image", "rm", image], {
      addEnv: environment,
      timeoutMs: dockerPatience.answerMs,
    }).catch((error: unknown) => {
      if (!(error instanceof ExecError)) throw error;
    });
  }
}
