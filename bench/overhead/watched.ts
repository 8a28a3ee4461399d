import { spawn } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createConnection, createServer } from "node:net";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { run } from "../../test/lab/run.ts";

/** One run of the command line, and what it started on the way. */
export interface Watched {
  // biome-ignore lint/suspicious/noExplicitAny: the result of any command
  readonly result: any;
  readonly seconds: number;
  /** What it told on standard error, with `SOPHON_KEEPER_DEBUG=1`. */
  readonly log: string;
  readonly starts: Readonly<Record<Start, number>>;
}

/** What is counted: each costs its time on any machine, however busy. */
export const starts = ["rabbitmqctl", "exec", "run", "compose", "docker", "inspect"] as const;
export type Start = (typeof starts)[number];

/** Runs builds of the program with everything between them and the engine counted. */
export interface Watch extends AsyncDisposable {
  run(program: string, args: readonly string[]): Promise<Watched>;
}

/**
 * Puts a `docker` of its own before the real one on the PATH, and a socket before the engine's, so that a build is
 * counted which tells nothing of itself.
 */
export async function startWatch(directory: string): Promise<Watch> {
  mkdirSync(directory, { recursive: true });
  const commands = join(directory, "commands");
  const real = (await run(["sh", "-c", "command -v docker"])).trim();
  const shim = join(directory, "bin", "docker");
  mkdirSync(dirname(shim), { recursive: true });
  const line = 'printf "%s" "$*" | tr "\\n" " "; echo';
  writeFileSync(shim, `#!/bin/sh\n{ ${line}; } >> '${commands}'\nexec ${real} "$@"\n`);
  chmodSync(shim, 0o755);
  const requests: string[] = [];
  const socket = join(directory, "engine.sock");
  const relay = await startRelay(socket, requests);
  return {
    run: async (program, args) => {
      writeFileSync(commands, "");
      requests.length = 0;
      const begun = performance.now();
      const child = spawn(process.execPath, [program, ...args, "--json"], {
        env: {
          PATH: `${dirname(shim)}:${process.env.PATH}`,
          HOME: process.env.HOME ?? "/root",
          DOCKER_HOST: `unix://${socket}`,
          SOPHON_KEEPER_DEBUG: "1",
        },
        stdio: ["ignore", "pipe", "pipe"],
      });
      const [stdout, log] = await Promise.all([text(child.stdout), text(child.stderr)]);
      const seconds = (performance.now() - begun) / 1000;
      const result = JSON.parse(stdout);
      return { result, seconds, log, starts: count(readFileSync(commands, "utf8"), requests) };
    },
    [Symbol.asyncDispose]: async () => {
      relay();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Hands bytes on, and notes the first line of each request of the engine's interface. */
async function startRelay(path: string, requests: string[]): Promise<() => void> {
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const engine = createConnection({ path: "/var/run/docker.sock", allowHalfOpen: true });
    for (const one of [client, engine]) one.on("error", () => undefined);
    client.on("data", (chunk: Buffer) => {
      const first = /^[A-Z]+ \/\S+ HTTP\/1\.1/.exec(chunk.toString("latin1", 0, 4096));
      if (first !== null) requests.push(first[0]);
    });
    client.pipe(engine).pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return () => server.close();
}

function count(commands: string, requests: readonly string[]): Record<Start, number> {
  const lines = commands.split("\n").filter((line) => line !== "");
  const of = (pattern: RegExp) => lines.filter((line) => pattern.test(line)).length;
  const inspected = /^GET (\/v[\d.]+)?\/(containers|images|volumes)\/[^?]+?(\/json)?(\?\S*)? HTTP/;
  return {
    rabbitmqctl: of(/^exec .*rabbitmqctl/),
    exec: of(/^exec /),
    run: of(/^run /),
    compose: of(/^compose /),
    docker: lines.length,
    inspect: requests.filter((line) => inspected.test(line) && !line.includes("/containers/json"))
      .length,
  };
}
