import { spawn } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { bundle } from "../../scripts/bundle.ts";
import { actPath } from "../lab/act.ts";
import { startArtifactProxy, storedArtifact } from "./artifact-proxy.ts";

const root = join(import.meta.dirname, "..", "..");

/** How one run of a workflow ended. */
export interface WorkflowRun {
  readonly code: number | null;
  readonly log: string;
}

/**
 * A directory with a fresh build of this action in it, in which act runs workflows on this host itself as a
 * self-hosted runner would. `sophon-keeper/sophon-keeper@v1` is that build, so that the examples run as they are.
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
      await bundle(join(action, "dist"));
      return runner;
    } catch (error) {
      await runner[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Runs a workflow; `replace` changes the paths of an example to those of a test. */
  async run(
    workflow: string,
    options: {
      readonly event?: string;
      readonly replace?: Readonly<Record<string, string>>;
      readonly variables?: Readonly<Record<string, string>>;
      /** What the person who starts the workflow types. */
      readonly inputs?: Readonly<Record<string, string>>;
    } = {},
  ): Promise<WorkflowRun> {
    const repository = await mkdtemp(join(this.#directory, "repository-"));
    const file = join(repository, "workflow.yml");
    const changes = Object.entries(options.replace ?? {});
    const changed = changes.reduce((yaml, [from, to]) => yaml.replaceAll(from, to), workflow);
    await writeFile(file, changed);
    await mkdir(this.artifacts, { recursive: true });
    const port = await freePort();
    await using proxy = await startArtifactProxy(port, this.artifacts);
    const variables = Object.entries(options.variables ?? {});
    const typed = Object.entries(options.inputs ?? {});
    const args = [
      options.event ?? "workflow_dispatch",
      `--workflows=${file}`,
      `--directory=${repository}`,
      "--platform=self-hosted=-self-hosted",
      `--local-repository=sophon-keeper/sophon-keeper@v1=${join(this.#directory, "action")}`,
      `--artifact-server-path=${this.artifacts}`,
      "--artifact-server-addr=127.0.0.1",
      `--artifact-server-port=${port}`,
      // act puts blocks together in the order in which they arrive.
      "--env=ACTIONS_ARTIFACT_UPLOAD_CONCURRENCY=1",
      "--no-cache-server",
      ...variables.map(([name, value]) => `--var=${name}=${value}`),
      ...typed.map(([name, value]) => `--input=${name}=${value}`),
    ];
    const child = spawn(actPath(), args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        HOME: this.#directory,
        // A step runs the Node that a runner brings along: that of the tests.
        PATH: [dirname(process.execPath), process.env.PATH].join(delimiter),
        ACTIONS_RUNTIME_URL: proxy.url,
      },
    });
    const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
    return { code: await ended, log: stdout + stderr };
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
