import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { bundle } from "./bundle.ts";

const directory = join(import.meta.dirname, "..", "dist");
await rm(directory, { recursive: true, force: true });
await bundle(directory);
for (const file of (await readdir(directory)).sort()) {
  const { size } = await stat(join(directory, file));
  console.log(`dist/${file}  ${Math.ceil(size / 1024)} KiB`);
}
