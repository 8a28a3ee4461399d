import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { run } from "../../src/core/exec.ts";
import { temporaryDirectory } from "../../src/core/temp.ts";

const archive = join(import.meta.dirname, "../../src/archive/write-archive.ts");

/** A program of its own: an error that nobody awaits ends it. */
const script = (file: string) => `
  import { PassThrough } from "node:stream";
  import { writeArchive } from ${JSON.stringify(archive)};
  const cancel = new AbortController();
  const { signal } = cancel;
  const file = ${JSON.stringify(file)};
  const writing = writeArchive({ source: new PassThrough(), file, compress: true, signal });
  cancel.abort(new Error("cancelled"));
  console.log(await writing.catch(({ message }) => message));
`;

test("an archive that is cancelled before its source is read leaves nothing, and throws nothing that nobody awaits", async () => {
  await using directory = await temporaryDirectory("sk-archive-");
  const args = ["--input-type=module", "--eval", script(join(directory.path, "data.zst"))];
  expect((await run(process.execPath, args, { timeoutMs: 60_000 })).stdout).toBe("cancelled\n");
  expect(await readdir(directory.path)).toEqual([]);
});
