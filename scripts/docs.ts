import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { renderDocuments } from "./documents.ts";

for (const [file, text] of await renderDocuments()) {
  await writeFile(join(import.meta.dirname, "..", file), text);
  console.log(file);
}
