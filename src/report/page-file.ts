import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { replaceFile } from "../core/durable.ts";
import type { Result } from "../model/result.ts";
import { type PageFacts, pageHtml } from "./page.ts";

/**
 * Writes the page of a result, completely or not at all. The result must already be masked.
 *
 * @throws the error of the file system.
 */
export async function writePage(path: string, result: Result, facts: PageFacts): Promise<void> {
  await writeWhole(path, pageHtml(result, facts));
}

/** Writes a file that others read at any time: they see the old text or the new one. */
export async function writeWhole(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  replaceFile(path, text, { mode: 0o666 & ~process.umask(), followsLinks: false });
}
