import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach } from "vitest";

/** A folder of stand-ins for programs, which are found before all others. Each test gets an empty one. */
export interface StubFolder {
  readonly path: string;
  /** Makes a program out of lines for a shell. */
  add(name: string, script: string): Promise<void>;
}

/** Makes the folder for each test of the file that calls this, and removes it afterwards. */
export function stubFolder(): StubFolder {
  const before = process.env.PATH;
  let path = "";
  beforeEach(async () => {
    path = await mkdtemp(join(tmpdir(), "sophon-keeper-stub-"));
    process.env.PATH = `${path}${delimiter}${before}`;
  });
  afterEach(async () => {
    process.env.PATH = before;
    await rm(path, { recursive: true, force: true });
  });
  return {
    get path() {
      return path;
    },
    add: async (name, script) => {
      await writeFile(join(path, name), `#!/bin/sh\n${script}\n`);
      await chmod(join(path, name), 0o755);
    },
  };
}
