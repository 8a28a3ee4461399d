import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

const here = import.meta.dirname;
const maxOutputBytes = 256 * 2 ** 20;

/** Everything that a faithful copy of a tree shares, told by a program that shares no code with the project. */
export function judge(root: string, ...flags: string[]): string {
  return python("rollback-copy-judge.py", root, ...flags);
}

/** Fills a directory with everything a file system can hold. */
export function seed(root: string, plainFiles: number): void {
  python("rollback-copy-seed.py", root, String(plainFiles));
}

function python(script: string, ...args: string[]): string {
  return execFileSync("python3", [join(here, script), ...args], {
    encoding: "utf8",
    maxBuffer: maxOutputBytes,
  });
}

/** A process that writes to `root/w` in every way that could fool a copy. */
export class Writer implements Disposable {
  readonly #child: ChildProcess;
  #rounds = 0;
  #waiting: { rounds: number; done: () => void } | undefined;

  constructor(root: string, seedNumber: number) {
    this.#child = spawn(
      "python3",
      [join(here, "rollback-copy-writer.py"), root, String(seedNumber)],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    if (this.#child.stdout === null) throw new Error("no stdout");
    createInterface({ input: this.#child.stdout }).on("line", () => {
      this.#rounds += 1;
      if (this.#waiting !== undefined && this.#rounds >= this.#waiting.rounds) this.#waiting.done();
    });
  }

  /** Resolves when it has written that many rounds more. */
  async rounds(count: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting = { rounds: this.#rounds + count, done: resolve };
    this.#child.once("exit", () => reject(new Error("the writer ended")));
    await promise;
  }

  /** Stops it between two instructions, as `docker pause` does, and waits until the kernel says so. */
  freeze(): void {
    this.#child.kill("SIGSTOP");
    const status = `/proc/${this.#child.pid}/stat`;
    while (!/\) T /.test(readFileSync(status, "utf8")));
  }

  thaw(): void {
    this.#child.kill("SIGCONT");
  }

  [Symbol.dispose](): void {
    this.#child.kill("SIGKILL");
  }
}

/** Runs one operation in its own process and kills it after `killAfterMs`; tells whether it had ended before. */
export async function runOperation(
  operation: "pre-copy" | "delta" | "put-back",
  source: string,
  copy: string,
  killAfterMs?: number,
  aside?: string,
): Promise<{ readonly ended: boolean; readonly ms: number }> {
  const started = performance.now();
  const script = join(here, "rollback-copy-run.ts");
  const child = spawn(
    process.execPath,
    [script, operation, source, copy, ...(aside === undefined ? [] : [aside])],
    {
      stdio: ["ignore", "inherit", killAfterMs === undefined ? "inherit" : "ignore"],
    },
  );
  const timer =
    killAfterMs === undefined ? undefined : setTimeout(() => child.kill("SIGKILL"), killAfterMs);
  const { promise, resolve } = Promise.withResolvers<number | null>();
  child.once("exit", resolve);
  const code = await promise;
  clearTimeout(timer);
  if (code !== null && code !== 0) throw new Error(`${operation} exited with ${code}`);
  return { ended: code === 0, ms: performance.now() - started };
}

/** A small file system of its own in a file, mounted. */
export class LoopFileSystem implements Disposable {
  readonly path: string;
  readonly #directory: string;

  constructor(parent: string, make: readonly string[], megabytes: number) {
    this.#directory = mkdtempSync(join(parent, "loop-"));
    const image = join(this.#directory, "image");
    this.path = join(this.#directory, "mount");
    execFileSync("truncate", ["-s", `${megabytes}M`, image]);
    const [program = "", ...args] = make;
    execFileSync(program, [...args, image], { stdio: "pipe" });
    execFileSync("mkdir", [this.path]);
    execFileSync("mount", ["-o", "loop", image, this.path]);
  }

  usedBytes(): number {
    execFileSync("sync", ["-f", this.path]);
    const out = execFileSync("df", ["-B1", "--output=used", this.path], { encoding: "utf8" });
    return Number(out.trim().split("\n")[1]);
  }

  [Symbol.dispose](): void {
    execFileSync("umount", [this.path]);
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** Why tests that need all of these programs and root cannot run here; `undefined` when they can. */
export function missing(...programs: string[]): string | undefined {
  if (process.getuid?.() !== 0) return "needs root";
  const directories = (process.env.PATH ?? "").split(":").concat("/usr/sbin", "/sbin");
  const absent = programs.filter((name) => !directories.some((dir) => existsSync(join(dir, name))));
  if (absent.length === 0) return undefined;
  const reason = `needs ${absent.join(", ")}`;
  if (process.env.CI === "true") throw new Error(reason);
  return reason;
}
