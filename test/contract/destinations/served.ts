import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { createServer, connect as dial } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  ensureRclone,
  ensureVersitygw,
  rclonePath,
  versitygwPath,
} from "../../lab/object-stores.ts";
import { labDirectory, lockLab } from "../../lab/state.ts";
import { until } from "../../lab/step.ts";
import { testCredentials } from "./s3-subject.ts";

/** A server program that runs until it is disposed, or killed and started again. */
export class Served implements AsyncDisposable {
  readonly endpoint: string;
  readonly #argv: readonly string[];
  readonly #env: NodeJS.ProcessEnv;
  readonly #port: number;
  #child: ChildProcess | undefined;

  private constructor(argv: readonly string[], env: NodeJS.ProcessEnv, port: number) {
    this.#argv = argv;
    this.#env = env;
    this.#port = port;
    this.endpoint = `http://127.0.0.1:${port}`;
  }

  /** Starts a program; `argv` gets a free port. */
  static async start(
    argv: (port: number) => readonly string[],
    env: NodeJS.ProcessEnv = {},
  ): Promise<Served> {
    const port = await freePort();
    const made = new Served(argv(port), { ...process.env, ...env }, port);
    await made.start();
    return made;
  }

  async start(): Promise<void> {
    const [command = "", ...args] = this.#argv;
    this.#child = spawn(command, args, { stdio: "ignore", env: this.#env });
    await until(`${command} answers`, 60_000, () => answers(this.#port));
  }

  /** As a power failure does. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null) return;
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}

async function answers(port: number): Promise<boolean> {
  const socket = dial(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** A bucket called `bucket` of `rclone serve s3`, below a directory of its own. */
export async function rcloneServed(): Promise<
  AsyncDisposable & { readonly endpoint: string; readonly root: string }
> {
  {
    await using _lock = await lockLab("rclone");
    await ensureRclone();
  }
  const root = await mkdtemp(join(tmpdir(), "sophon-keeper-rclone-s3-"));
  await mkdir(join(root, "bucket"));
  const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret } = testCredentials;
  const served = await Served.start(
    (port) => [
      ...[rclonePath(), "serve", "s3", root, "--addr", `127.0.0.1:${port}`],
      ...["--auth-key", `${id},${secret}`, "--vfs-cache-mode", "off", "--config", "/dev/null"],
    ],
    { RCLONE_VFS_CACHE_MODE: "off" },
  );
  return {
    ...{ endpoint: served.endpoint, root },
    [Symbol.asyncDispose]: async () => {
      await served[Symbol.asyncDispose]();
      await rm(root, { recursive: true, force: true });
    },
  };
}

/** versitygw, with a bucket called `bucket`; with versions it can lock objects, in buckets that are made for it. */
export async function versitygwServed({
  versions = false,
} = {}): Promise<Served & { readonly root: string }> {
  {
    await using _lock = await lockLab("versitygw");
    await ensureVersitygw();
  }
  // It keeps its records in extended attributes, which a file system in memory may not have.
  const root = await mkdtemp(join(labDirectory(), "versitygw-"));
  for (const part of ["data", "data/bucket", "versions", "iam"]) await mkdir(join(root, part));
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = testCredentials;
  const versioned = versions ? ["--versioning-dir", join(root, "versions")] : [];
  const served = await Served.start(
    (port) => [
      ...[versitygwPath(), "--iam-dir", join(root, "iam"), "--quiet"],
      ...["--port", `127.0.0.1:${port}`, "posix", ...versioned, join(root, "data")],
    ],
    { ROOT_ACCESS_KEY: AWS_ACCESS_KEY_ID, ROOT_SECRET_KEY: AWS_SECRET_ACCESS_KEY },
  );
  const stop = served[Symbol.asyncDispose].bind(served);
  return Object.assign(served, {
    root,
    [Symbol.asyncDispose]: async () => {
      await stop();
      await rm(root, { recursive: true, force: true });
    },
  });
}
