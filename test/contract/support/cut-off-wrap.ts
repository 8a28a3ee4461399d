import childProcess, { type ChildProcess } from "node:child_process";
import fs, { type PathLike } from "node:fs";
import promises from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";

/**
 * How a piece of work is cut off at its nth change: `kill` ends the process without a word; `ENOSPC` lets that change
 * and every later one that needs room fail, as a full disk does; `EIO` lets that one fail, a flush included.
 */
export type Cut = "kill" | "ENOSPC" | "EIO";

interface Plan {
  readonly how: Cut;
  readonly at: number;
}

let plan: Plan | undefined;
let changes = 0;

/** From here on changes are counted, and the nth is the last. */
export function arm(wanted: Plan): void {
  plan = wanted;
  changes = 0;
}

/** Until the next time. */
export function disarm(): void {
  plan = undefined;
}

/** Whether it came to the nth. */
export function wasReached(): boolean {
  return plan !== undefined && changes >= plan.at;
}

/** What a call does to a file system: `room` needs some, `flush` changes nothing and may fail all the same. */
type Kind = "room" | "change" | "flush";

/** What the work is to be told instead of an answer, before it happens. */
function failure(kind: Kind, call: string): Error | undefined {
  if (plan === undefined || plan.how === "kill") return undefined;
  if (plan.how === "ENOSPC" ? kind !== "room" : false) return undefined;
  changes += 1;
  const isNow = plan.how === "ENOSPC" ? changes >= plan.at : changes === plan.at;
  if (!isNow) return undefined;
  const [errno, text] =
    plan.how === "ENOSPC" ? [-28, "no space left on device"] : [-5, "i/o error"];
  const error = new Error(`${plan.how}: ${text}, ${call}`);
  return Object.assign(error, { code: plan.how, errno, syscall: call });
}

/** After a change has happened. */
function happened(kind: Kind): void {
  if (plan?.how !== "kill" || kind === "flush") return;
  changes += 1;
  if (changes === plan.at) process.kill(process.pid, "SIGKILL");
}

// biome-ignore lint/suspicious/noExplicitAny: the functions of a module of Node, whatever they take
type Any = any;

const kinds: Readonly<Record<string, Kind>> = {
  ...{ copyFile: "room", cp: "room", link: "room", mkdir: "room", mkdtemp: "room", open: "room" },
  ...{ rename: "room", symlink: "room", appendFile: "room", writeFile: "room" },
  ...{ write: "room", writev: "room", truncate: "change", ftruncate: "change" },
  ...{ chmod: "change", fchmod: "change", chown: "change", fchown: "change", lchown: "change" },
  ...{ utimes: "change", futimes: "change", lutimes: "change" },
  ...{ unlink: "change", rmdir: "change", rm: "change" },
  ...{ fsync: "flush", fdatasync: "flush", sync: "flush", datasync: "flush" },
};

const real = { ...fs };

function isChange(name: string, args: Any[], result: Any): boolean {
  // Nothing was made where all of it was there.
  if (name === "mkdir" && args[1]?.recursive === true) return result !== undefined;
  return true;
}

/** Only what makes or empties a file counts. */
function isOpenToRead(name: string, args: Any[]): boolean {
  if (name !== "open") return false;
  const flags = args[1] ?? "r";
  if (typeof flags === "string") return flags.startsWith("r");
  return (flags & (fs.constants.O_CREAT | fs.constants.O_TRUNC)) === 0;
}

/** The same call with the first half of what it was to write, where it can be cut in the middle. */
function halved(name: string, args: Any[]): Any[] | undefined {
  if (name !== "writeFile" && name !== "appendFile") return undefined;
  const [file, data, options] = args;
  const bytes: Buffer = typeof data === "string" ? Buffer.from(data) : data;
  if (!(bytes instanceof Uint8Array) || bytes.length < 2) return undefined;
  return [file, bytes.subarray(0, bytes.length >> 1), options];
}

/** `rm` of a directory, one entry after the other. */
function removeStepwise(path: PathLike): void {
  const stats = real.lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return;
  if (stats.isDirectory()) {
    // In which order a file system names them nobody knows: what is deep goes first here, and files last.
    const entries = real.readdirSync(path, { encoding: "buffer", withFileTypes: true });
    entries.sort((a, b) => Number(b.isDirectory()) - Number(a.isDirectory()));
    const from = Buffer.isBuffer(path) ? path : Buffer.from(String(path));
    for (const { name } of entries) {
      removeStepwise(Buffer.concat([from, Buffer.from("/"), name]));
    }
  }
  const error = failure("change", "rm");
  if (error !== undefined) throw error;
  if (stats.isDirectory()) real.rmdirSync(path);
  else real.unlinkSync(path);
  happened("change");
}

function wrapSync(name: string, kind: Kind): void {
  const call = `${name}Sync`;
  const original = (real as Any)[call];
  if (original === undefined) return;
  (fs as Any)[call] = (...args: Any[]) => {
    if (plan === undefined || isOpenToRead(name, args)) return original(...args);
    if (name === "rm" && args[1]?.recursive === true) return removeStepwise(args[0]);
    const error = failure(kind, name);
    if (error !== undefined) throw error;
    if (name === "write" && plan.how === "kill") writeHalf(args);
    const half = halved(name, args);
    if (half !== undefined && plan.how === "kill") {
      original(...half);
      happened(kind);
    }
    const result = original(...args);
    if (isChange(name, args, result)) happened(kind);
    return result;
  };
}

/** `writeSync(file, bytes, offset?, length?, position?)` */
function writeHalf([file, bytes, offset = 0, length, position]: Any[]): void {
  if (!(bytes instanceof Uint8Array) || typeof position !== "number") return;
  const whole = length ?? bytes.length - offset;
  if (whole < 2) return;
  real.writeSync(file, bytes, offset, whole >> 1, position);
  happened("room");
}

/** Of `node:fs/promises`, or of a handle: both give promises. */
function wrapPromise(owner: Any, name: string, kind: Kind): void {
  const original = owner[name];
  if (typeof original !== "function") return;
  owner[name] = async function (this: Any, ...args: Any[]) {
    if (plan === undefined || isOpenToRead(name, args)) return await original.apply(this, args);
    if (name === "rm" && args[1]?.recursive === true) return removeStepwise(args[0]);
    const error = failure(kind, name);
    if (error !== undefined) throw error;
    const half = owner === promises ? halved(name, args) : undefined;
    if (half !== undefined && plan.how === "kill" && typeof half[0] === "string") {
      await original.apply(this, half);
      happened(kind);
      // What is to be made new was made just now.
      if (typeof args[2]?.flag === "string") args[2] = { ...args[2], flag: "w" };
    }
    const result = await original.apply(this, args);
    if (isChange(name, args, result)) happened(kind);
    return result;
  };
}

/** With a callback, as streams use them. */
function wrapCallback(name: string, kind: Kind): void {
  const original = (real as Any)[name];
  if (original === undefined) return;
  (fs as Any)[name] = (...args: Any[]) => {
    const callback = args.at(-1);
    if (plan === undefined || typeof callback !== "function" || isOpenToRead(name, args)) {
      return original(...args);
    }
    const error = failure(kind, name);
    if (error !== undefined) return void process.nextTick(callback, error);
    const told = (problem: Any, ...results: Any[]) => {
      if (!problem) happened(kind);
      callback(problem, ...results);
    };
    return original(...args.slice(0, -1), told);
  };
}

/** Programs are cut off before, just after their start, when they live on alone, and at their end. */
function wrapPrograms(): void {
  const { spawn } = childProcess;
  (childProcess as Any).spawn = (command: string, args: string[], options: Any): ChildProcess => {
    if (plan === undefined) return spawn(command, args, options);
    const isWriter =
      command === "cp" || (command === "tar" && args.some((a) => /^(-x|--extract)/.test(a)));
    const error = failure(isWriter ? "room" : "flush", command);
    if (error !== undefined) {
      const text = plan.how === "ENOSPC" ? "No space left on device" : "Input/output error";
      const program = ["-c", 'cat > /dev/null; echo "$0: $1" >&2; exit 1', command, text];
      return spawn("sh", program, options);
    }
    const child = spawn(command, args, options);
    happened("change");
    child.once("close", () => happened("change"));
    return child;
  };
}

async function wrapAll(): Promise<void> {
  const handle = await promises.open("/dev/null");
  const prototype = Object.getPrototypeOf(handle);
  await handle.close();
  for (const [name, kind] of Object.entries(kinds)) {
    wrapSync(name, kind);
    wrapPromise(promises, name, kind);
    if (name !== "open" && name !== "rm") wrapPromise(prototype, name, kind);
    wrapCallback(name, kind);
  }
  wrapPrograms();
  syncBuiltinESMExports();
}

await wrapAll();
