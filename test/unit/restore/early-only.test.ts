import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { imagesOfBackup } from "../../../src/operations/restore/backup-images.ts";
import type { HostDependencies } from "../../../src/operations/session/dependencies.ts";
import type { SourceOptions } from "../../../src/stores/reader.ts";

it("refuses a store that the backup does not have before an image is pulled or a file read", async () => {
  const directory = await mkdtemp(join(tmpdir(), "keeper-only-"));
  onTestFinished(async () => await rm(directory, { recursive: true }));
  const manifest = join(import.meta.dirname, "../../fixtures/on-disk/manifest-personal.json");
  await copyFile(manifest, join(directory, "manifest.json"));
  const source = { directory } as SourceOptions;
  const none = {} as HostDependencies;
  await expect(imagesOfBackup(source, { dryRun: true, only: ["nope"] }, none)).rejects.toThrow(
    "only: the backup has no store nope",
  );
  await expect(imagesOfBackup(source, { dryRun: true, only: ["data"] }, none)).resolves.toEqual({});
});
