import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/**
 * The licence texts of every package that one of the bundled modules belongs to, by name.
 *
 * @throws Error for a package that names no licence.
 */
export async function thirdPartyLicences(
  root: string,
  modules: readonly string[],
): Promise<string> {
  const directories = modules
    .map((id) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(id)?.[0])
    .filter((directory) => directory?.startsWith(root) === true);
  const sections = await Promise.all([...new Set(directories)].map((path) => section(`${path}`)));
  return `${sections.sort().join(`\n\n${"=".repeat(80)}\n\n`)}\n`;
}

async function section(directory: string): Promise<string> {
  const text = await readFile(join(directory, "package.json"), "utf8");
  const manifest = JSON.parse(text) as { name: string; version: string; license?: string };
  const { name, version, license } = manifest;
  if (license === undefined) throw new Error(`${name} names no licence`);
  const files = (await readdir(directory)).filter((file) => /^(licen[sc]e|copying)/i.test(file));
  const texts = await Promise.all(
    files.sort().map((file) => readFile(join(directory, file), "utf8")),
  );
  return [`${name} ${version} (${license})`, ...texts.map((body) => body.trim())].join("\n\n");
}
