import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer, connect as dial } from "node:net";
import { until } from "../../lab/step.ts";

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
