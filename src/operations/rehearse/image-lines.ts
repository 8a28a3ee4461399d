import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Rehearsal } from "../../model/rehearsal.ts";
import { lineOf } from "./line-of-image.ts";
import type { RehearsedImages } from "./rehearsed-images.ts";

/** Where the new files name the new images: in a compose file, else by the tag in the `.env` beside it. */
export async function imageLines(
  images: RehearsedImages,
  files: readonly string[],
): Promise<NonNullable<Rehearsal["imageLines"]>> {
  const places = [...files, ...new Set(files.map((file) => join(dirname(file), ".env")))];
  const texts = await Promise.all(
    places.map(async (file) => ({ file, text: await readFile(file, "utf8").catch(() => "") })),
  );
  return Object.entries(images).flatMap(([service, { to }]) => {
    for (const { file, text } of texts) {
      const line = lineOf(text, to);
      if (line !== undefined) return [{ service, file, line }];
    }
    return [];
  });
}
