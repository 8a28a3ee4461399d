import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/**
 * The licence texts of every package that one of the bundled modules belongs to, by name. Packages with the same text
 * stand together above it.
 */
export async function thirdPartyLicences(
  root: string,
  modules: readonly string[],
): Promise<string> {
  const directories = modules
    .map((id) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(id)?.[0])
    .filter((directory) => directory?.startsWith(root) === true);
  const sections = await Promise.all([...new Set(directories)].map((path) => section(`${path}`)));
  const titles = new Map<string, string[]>();
  for (const [title, body] of sections.sort(([a], [b]) => (a < b ? -1 : 1))) {
    titles.set(body, [...(titles.get(body) ?? []), title]);
  }
  const parts = [...titles].map(([body, names]) => `${names.join("\n")}\n\n${body}`.trimEnd());
  return `${parts.join(`\n\n${"=".repeat(80)}\n\n`)}\n`;
}

interface PackageManifest {
  readonly name: string;
  readonly version: string;
  readonly license?: string | { readonly type: string };
  readonly licenses?: readonly { readonly type: string }[];
  readonly repository?: string | { readonly url: string };
}

/** The title and the text. */
async function section(directory: string): Promise<readonly [string, string]> {
  const text = await readFile(join(directory, "package.json"), "utf8");
  const manifest = JSON.parse(text) as PackageManifest;
  const files = (await readdir(directory)).filter((file) => /^(licen[sc]e|copying)/i.test(file));
  const texts = await Promise.all(
    files.sort((a, b) => (a < b ? -1 : 1)).map((file) => readFile(join(directory, file), "utf8")),
  );
  const title = `${manifest.name} ${manifest.version} (${licenceName(manifest)})`;
  return [title, texts.map((body) => body.replace(/\r\n/g, "\n").trim()).join("\n\n")];
}

/** Old packages name their licence in several ways, or only where they are developed. */
function licenceName({ license, licenses, repository }: PackageManifest): string {
  if (typeof license === "string") return license;
  if (license !== undefined) return license.type;
  if (licenses !== undefined) return licenses.map(({ type }) => type).join(" or ");
  const place = typeof repository === "string" ? repository : repository?.url;
  return `no licence named in the package, see ${place ?? "its registry page"}`;
}
