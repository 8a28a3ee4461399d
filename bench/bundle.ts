import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { rolldown } from "rolldown";

/**
 * Bundles `step.ts`, or another file of this folder, as what is released is bundled: stripping types at each start would be
 * measured otherwise. Returns the command that runs it.
 */
export async function bundledStep(into: string, file = "step.ts"): Promise<string[]> {
  await using build = await rolldown({
    cwd: join(import.meta.dirname, ".."),
    input: { step: `bench/${file}` },
    platform: "node",
  });
  await build.write({ dir: into, format: "esm", minify: true, comments: false });
  writeFileSync(join(into, "package.json"), '{ "type": "module" }');
  return [process.execPath, join(into, "step.js")];
}
