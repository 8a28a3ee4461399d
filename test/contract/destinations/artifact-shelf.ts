import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import type { ArtifactService, OtherRuns } from "../../../src/destinations/artifact.ts";

export type ListedArtifact = Awaited<ReturnType<ArtifactService["list"]>>[number];

/** A stand-in for the service: keeps what it read, and can be told to lie. */
export class ShelfStandIn implements ArtifactService {
  readonly unusable: string | undefined = undefined;
  readonly shelf = new Map<string, Buffer>();
  lie: Partial<ListedArtifact> = {};
  runs: OtherRuns | undefined;
  failure: Error | undefined;
  digestOfLast = "";
  /** What comes when an artifact of another run is asked for: the name of the file, and its content. */
  fetched: ((id: number, from: { run: number } | undefined) => [string, Buffer]) | undefined;

  async upload(file: string): Promise<{ id: number; digest: string }> {
    if (this.failure !== undefined) throw this.failure;
    const content = await readFile(file);
    this.shelf.set(basename(file), content);
    this.digestOfLast = `sha256:${sha256(content)}`;
    return { id: this.#id(basename(file)), digest: sha256(content) };
  }

  async list(): Promise<ListedArtifact[]> {
    return [...this.shelf].map(([name, content]) => ({
      name,
      id: this.#id(name),
      size: content.length,
      digest: `sha256:${sha256(content)}`,
      ...this.lie,
    }));
  }

  async download(
    id: number,
    into: string,
    expected: string | undefined,
    from?: { readonly run: number },
  ): Promise<{ isOther: boolean }> {
    if (this.fetched !== undefined) {
      const [name, content] = this.fetched(id, from);
      await writeFile(join(into, name), content);
      return { isOther: false };
    }
    const found = (await this.list()).find((one) => one.id === id);
    const content = this.shelf.get(found?.name ?? "") ?? Buffer.alloc(0);
    await writeFile(join(into, found?.name ?? ""), content);
    return { isOther: expected !== undefined && expected !== `sha256:${sha256(content)}` };
  }

  otherRuns(): OtherRuns {
    if (this.runs === undefined) throw new Error("there are no other runs");
    return this.runs;
  }

  /** Later ones have larger ids. */
  #id(name: string): number {
    return 7 + [...this.shelf.keys()].indexOf(name);
  }

  async remove(name: string): Promise<void> {
    this.shelf.delete(name);
  }
}

export function sha256(content: Buffer): string {
  return createHash("sha256").update(content).digest("hex");
}
