import { spawn } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { bundle } from "../../scripts/bundle.ts";
import { movedTag } from "../../scripts/version.ts";
import { version } from "../../src/version.ts";
import { actPath } from "../lab/act.ts";
import { startArtifactProxy, storedArtifact } from "./artifact-proxy.ts";

const root = join(import.meta.dirname, "..", "..");

/** How one run of a workflow ended. */
export interface WorkflowRun {
  readonly code: number | null;
  readonly log: string;
  /** The action's own steps, in the order of their ends, with what the runner was told by each. */
  readonly steps: readonly ToldStep[];
}

/** What one step of the action wrote into the runner's files. */
export interface ToldStep {
  readonly mode: string;
  readonly entry: "main" | "post";
  readonly summary: string;
  readonly outputs: Readonly<Record<string, string>>;
}

/**
 * A directory with a fresh build of this action in it, in which act runs workflows on this host itself as a
 * self-hosted runner would. The tag that the examples name is that build, so that they run as they are.
 */
export class ActRunner implements AsyncDisposable {
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async start(): Promise<ActRunner> {
    const directory = await mkdtemp(join(tmpdir(), "sophon-keeper-act-"));
    const action = join(directory, "action");
    const runner = new ActRunner(directory);
    try {
      await mkdir(action);
      await cp(join(root, "action.yml"), join(action, "action.yml"));
      // Those that workflows of users call.
      const workflows = join(".github", "workflows");
      await cp(join(root, workflows), join(action, workflows), { recursive: true });
      await bundle(join(action, "dist"));
      return runner;
    } catch (error) {
      await runner[Symbol.asyncDispose]();
      throw error;
    }
  }

  /**
   * Runs a workflow; `replace` changes the paths of an example to those of a test. `after` is a shell script that
   * the machine runs after each step of the action, with the step's environment: what befalls a host at night.
   */
  async run(
    workflow: string,
    options: {
      readonly event?: string;
      /** The payload of the event. */
      readonly payload?: object;
      /** The files of the checkout, by name. */
      readonly files?: Readonly<Record<string, string>>;
      /** Variables that tell the runner where GitHub is, and who owns the repository. */
      readonly environment?: Readonly<Record<string, string>>;
      readonly replace?: Readonly<Record<string, string>>;
      readonly variables?: Readonly<Record<string, string>>;
      /** What the person who starts the workflow types. */
      readonly inputs?: Readonly<Record<string, string>>;
      readonly secrets?: Readonly<Record<string, string>>;
      readonly after?: string;
      /** No artifact can be uploaded: the account's storage is used up. */
      readonly isStorageFull?: boolean;
      /** With act's own cache server. */
      readonly hasCache?: boolean;
    } = {},
  ): Promise<WorkflowRun> {
    const repository = await mkdtemp(join(this.#directory, "repository-"));
    const file = join(repository, "workflow.yml");
    const changes = Object.entries(options.replace ?? {});
    const changed = changes.reduce((yaml, [from, to]) => yaml.replaceAll(from, to), workflow);
    await writeFile(file, changed);
    const payload = join(repository, "payload.json");
    await writeFile(payload, JSON.stringify(options.payload ?? {}));
    for (const [name, text] of Object.entries(options.files ?? {})) {
      await writeFile(join(repository, name), text);
    }
    await mkdir(this.artifacts, { recursive: true });
    const port = await freePort();
    await using proxy = await startArtifactProxy(port, this.artifacts, options.isStorageFull);
    const variables = Object.entries(options.variables ?? {});
    const typed = Object.entries(options.inputs ?? {});
    const secrets = options.secrets ?? {};
    const told = join(repository, "told");
    const node = await watchedNode(join(repository, "bin"), told, options.after ?? ":");
    const args = [
      options.event ?? "workflow_dispatch",
      `--workflows=${file}`,
      ...(options.payload === undefined ? [] : [`--eventpath=${payload}`]),
      ...Object.entries(options.environment ?? {}).map(([name, value]) => `--env=${name}=${value}`),
      `--directory=${repository}`,
      "--platform=self-hosted=-self-hosted",
      `--local-repository=sophon-keeper/sophon-keeper@${movedTag(version)}=${join(this.#directory, "action")}`,
      `--artifact-server-path=${this.artifacts}`,
      "--artifact-server-addr=127.0.0.1",
      `--artifact-server-port=${port}`,
      // act puts blocks together in the order in which they arrive.
      "--env=ACTIONS_ARTIFACT_UPLOAD_CONCURRENCY=1",
      ...(options.hasCache === true ? await this.#cacheServer() : ["--no-cache-server"]),
      ...variables.map(([name, value]) => `--var=${name}=${value}`),
      ...typed.map(([name, value]) => `--input=${name}=${value}`),
      // Their values come from the environment, where no other user of this host can read them.
      ...Object.keys(secrets).map((name) => `--secret=${name}`),
    ];
    const child = spawn(actPath(), args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        HOME: this.#directory,
        // A step runs the Node that a runner brings along: that of the tests.
        PATH: [node, dirname(process.execPath), process.env.PATH].join(delimiter),
        ...secrets,
        ACTIONS_RUNTIME_URL: proxy.url,
      },
    });
    const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
    return { code: await ended, log: stdout + stderr, steps: await toldSteps(told) };
  }

  async #cacheServer(): Promise<string[]> {
    const path = join(this.#directory, "cache");
    const port = await freePort();
    return [
      ...[`--cache-server-path=${path}`, "--cache-server-addr=127.0.0.1"],
      `--cache-server-port=${port}`,
    ];
  }

  /** What act's artifact server keeps. */
  get artifacts(): string {
    return join(this.#directory, "artifacts");
  }

  /** The bytes of an artifact, as its server keeps them. */
  async artifact(name: string): Promise<Buffer> {
    return await readFile(await storedArtifact(this.artifacts, name));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#directory, { recursive: true, force: true });
  }
}

/**
 * A directory with a `node` that runs the real one and keeps what the step told the runner, which act itself shows
 * nowhere.
 */
async function watchedNode(bin: string, told: string, after: string): Promise<string> {
  await Promise.all([bin, told].map((path) => mkdir(path)));
  const lines = [
    "#!/bin/bash",
    // act asks Node where it is, and goes round this one otherwise.
    `case "$*" in *process.execPath*) echo "${bin}/node"; exit ;; esac`,
    `"${process.execPath}" "$@"`,
    "code=$?",
    // Those of a program that is no step of the action are not kept.
    'case "$1" in */dist/main.js | */dist/post.js) ;; *) exit $code ;; esac',
    `to=$(mktemp -d "${told}/$(date +%s%N)-XXXX")`,
    'printf "%s" "$INPUT_MODE" > "$to/mode"; basename "$1" .js > "$to/entry"',
    'cat "$GITHUB_STEP_SUMMARY" > "$to/summary"; cat "$GITHUB_OUTPUT" > "$to/outputs"',
    after,
    "exit $code",
  ];
  await writeFile(join(bin, "node"), `${lines.join("\n")}\n`, { mode: 0o755 });
  return bin;
}

async function toldSteps(told: string): Promise<ToldStep[]> {
  const steps = (await readdir(told)).toSorted();
  return await Promise.all(
    steps.map(async (step) => {
      const read = (name: string) => readFile(join(told, step, name), "utf8");
      return {
        mode: await read("mode"),
        entry: (await read("entry")).trim() as ToldStep["entry"],
        summary: await read("summary"),
        outputs: outputsOf(await read("outputs")),
      };
    }),
  );
}

/** `name<<DELIMITER`, lines, `DELIMITER`: as a step writes its outputs. */
function outputsOf(text: string): Record<string, string> {
  const found = text.matchAll(/^([\w-]+)<<(\S+)\n([\s\S]*?)\n?\2$/gm);
  return Object.fromEntries([...found].map(([, name, , value]) => [name, value]));
}

async function freePort(): Promise<number> {
  const server = createServer();
  const port = await new Promise<number>((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : 0);
    });
  });
  await new Promise((resolve) => server.close(resolve));
  return port;
}
