import { mkdir, rm } from "node:fs/promises";
import { run } from "../../lab/run.ts";

/** A file system of its own, so that it can be full. Needs root and a loop device. */
export interface SmallDisk extends AsyncDisposable {
  readonly path: string;
  /** Free bytes, as anyone but root sees them. */
  freeBytes(): Promise<number>;
}

/** Makes and mounts one of so many bytes below `directory`. */
export async function smallDisk(directory: string, bytes: number): Promise<SmallDisk> {
  const [image, path] = [`${directory}.img`, directory];
  await mkdir(path, { recursive: true });
  await run(["truncate", "--size", String(bytes), image]);
  await run(["mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", image]);
  await run(["mount", "-o", "loop", image, path]);
  return {
    path,
    freeBytes: async () => {
      const free = await run(["df", "--block-size=1", "--output=avail", path]);
      return Number(free.trim().split("\n").at(-1));
    },
    async [Symbol.asyncDispose]() {
      await run(["umount", path]);
      await rm(image);
    },
  };
}
