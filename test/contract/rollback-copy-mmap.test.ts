import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { delta, preCopy } from "../../src/rollback-copy/copy.ts";
import { putBack } from "../../src/rollback-copy/put-back.ts";
import { LoopFileSystem, missing } from "./rollback-copy-host.ts";
import { memoryDirectory } from "./support/looks.ts";

const reason = missing("python3", "mkfs.ext4");

/** A process that stores through mmap into the same page of `path`, each time it is told to. */
async function mappedWriter(path: string) {
  const script = join(import.meta.dirname, "rollback-copy-mapped.py");
  const child = spawn("python3", [script, path], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout });
  await once(lines, "line");
  return {
    async store(text: string) {
      child.stdin.write(`${text}\n`);
      await once(lines, "line");
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await once(child, "close");
    },
  };
}

/** Until a change of that file is no longer recent, so that its times alone decide. */
async function aged(path: string): Promise<void> {
  while (Date.now() - statSync(path).ctimeMs < 2_200) await delay(50);
}

test.skipIf(reason !== undefined)(
  `a store into a page that was dirty already, which moves no time, is never missed${reason ?? ""}`,
  async () => {
    const base = mkdtempSync(join(tmpdir(), "sk-rollback-mmap-"));
    // A file system of its own: nothing else on the host writes its pages back in between.
    const disk = new LoopFileSystem(base, ["mkfs.ext4", "-q"], 32);
    const [source, copy] = [join(disk.path, "source"), join(disk.path, "copy")];
    mkdirSync(source);
    const path = join(source, "mapped");
    const page = (root: string) => readFileSync(join(root, "mapped"), "latin1").slice(4096, 4098);
    try {
      await using writer = await mappedWriter(path);
      await aged(path);
      const { ctimeMs } = statSync(path);
      // This is what makes it hard: the page is dirty, and the file does not look changed.
      await writer.store("02");
      expect(statSync(path).ctimeMs).toBe(ctimeMs);
      await preCopy(source, copy);
      await writer.store("03");
      await aged(path);
      await writer.store("04");
      await delta(source, copy);
      expect(page(join(copy, "tree"))).toBe("04");
      await writer.store("05");
      await putBack(copy, source);
      expect(page(source)).toBe("04");
      expect(page(join(copy, "tree"))).toBe("04");
    } finally {
      disk[Symbol.dispose]();
      rmSync(base, { recursive: true, force: true });
    }
  },
);

test.skipIf(reason !== undefined)(
  `nor is one through a mapping of a new file that was not written back${reason ?? ""}`,
  async () => {
    const base = mkdtempSync(join(tmpdir(), "sk-rollback-mmap-"));
    const disk = new LoopFileSystem(base, ["mkfs.ext4", "-q"], 32);
    const [source, copy] = [join(disk.path, "source"), join(disk.path, "copy")];
    const filled = join(disk.path, "filled");
    const path = join(filled, "mapped");
    try {
      for (const directory of [source, filled]) mkdirSync(directory);
      writeFileSync(join(source, "mapped"), "0".repeat(65_536));
      await preCopy(source, copy);
      await delta(source, copy);
      await putBack(copy, filled, { isFlushed: false });
      await aged(path);
      // From now on its times alone decide.
      await putBack(copy, filled, { isFlushed: false });
      const store =
        "import mmap, sys; f = open(sys.argv[1], 'r+b'); mmap.mmap(f.fileno(), 0)[4096:4098] = b'99'";
      execFileSync("python3", ["-c", store, path]);
      expect(readFileSync(path, "latin1").slice(4096, 4098)).toBe("99");
      await putBack(copy, filled);
      expect(readFileSync(path, "latin1").slice(4096, 4098)).toBe("00");
    } finally {
      disk[Symbol.dispose]();
      rmSync(base, { recursive: true, force: true });
    }
  },
);

test.skipIf(reason !== undefined || !existsSync("/dev/shm"))(
  `nor is one on a file system where it never moves any time${reason ?? ""}`,
  async () => {
    using memory = memoryDirectory();
    const [source, copy] = [join(memory.path, "source"), join(memory.path, "copy")];
    mkdirSync(source);
    const path = join(source, "mapped");
    const page = (root: string) => readFileSync(join(root, "mapped"), "latin1").slice(4096, 4098);
    await using writer = await mappedWriter(path);
    await aged(path);
    await preCopy(source, copy);
    const { ctimeMs } = statSync(path);
    await writer.store("02");
    expect(statSync(path).ctimeMs).toBe(ctimeMs);
    await delta(source, copy);
    expect(page(join(copy, "tree"))).toBe("02");
    await writer.store("03");
    await putBack(copy, source);
    expect(page(source)).toBe("02");
  },
);
