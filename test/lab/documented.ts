import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

// The commands that the pages state. Above each block stands `<!-- tested -->`, or `<!-- not tested: WHY -->`.

const root = join(import.meta.dirname, "../..");

/** The pages that state commands. */
export const pages: readonly string[] = [
  ...["README.md", "CONTRIBUTING.md", "SECURITY.md"],
  ...readdirSync(join(root, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

/** A block of a page. */
export interface Block {
  /** The page, and the nearest heading above the block. */
  readonly section: string;
  /** The comment above it; undefined without one. */
  readonly mark: string | undefined;
  readonly language: string;
  readonly commands: string;
}

const block = /^(?: *<!-- ([^\n]*?) -->\n+)?( *)```(\w*)\n([\s\S]*?)^\2```$/gm;

/** The blocks of a page, whatever is in them. */
export function blocksOf(page: string): Block[] {
  const text = readFileSync(join(root, page), "utf8");
  return [...text.matchAll(block)].map((found) => {
    const [, mark, indent = "", language = "", body = ""] = found;
    const section = `${page}: ${lastHeading(text.slice(0, found.index))}`;
    return {
      section,
      mark,
      language,
      commands: body.replaceAll(new RegExp(`^${indent}`, "gm"), ""),
    };
  });
}

/** Inside of a block a line that begins with `#` is a comment, and no heading. */
function lastHeading(text: string): string {
  const headings = text.replaceAll(block, "").match(/^#+ .*$/gm);
  return headings?.at(-1)?.replace(/^#+ /, "") ?? "";
}

/** Whether a block is for a shell. */
export function isForShell({ language }: Block): boolean {
  return ["sh", "bash", "shell", "console"].includes(language);
}

/** The sections whose blocks each test runs, all of them. */
export const runBy = {
  "a new host": ["README.md: Quick start", "README.md: Restore by hand"],
  "a lost file": [
    "docs/config.md: Configuration file",
    "docs/lost-file.md: How do I get one lost file back?",
    "docs/lost-file.md: Back into its place",
    "docs/lost-file.md: Which backup still has it?",
    "docs/lost-file.md: What has changed since?",
    "docs/lost-file.md: One database or one collection",
    "docs/log-scan.md: The migration log scan",
    "docs/operation.md: An interrupted run",
    "docs/report.md: What became of each night",
  ],
  "an upgrade": ["docs/upgrade.md: Live upgrade", "docs/recovery.md: What a failed version wrote"],
  "the worst night": [
    "docs/recovery.md: With the tool",
    "docs/recovery.md: Undo a restore",
    "docs/recovery.md: Remove what was set aside",
  ],
  "a manual backup": ["docs/recovery.md: From a manual backup"],
  "no tool": ["docs/recovery.md: By hand, without the tool"],
  "a bucket": ["docs/off-host.md: A bucket", "docs/off-host.md: Back from a bucket"],
  "a container": [
    "docs/container.md: Building it",
    "docs/container.md: How does it run in a container?",
  ],
  "an installation": ["docs/install.md: With a Node inside"],
} as const satisfies Record<string, readonly string[]>;

/** The blocks of one test, which it takes in the order that it runs them. */
export class Documented {
  readonly #left = new Map<string, string[]>();

  constructor(name: keyof typeof runBy) {
    const tested = pages.flatMap(blocksOf).filter(({ mark }) => mark === "tested");
    for (const section of runBy[name]) {
      const blocks = tested.filter((one) => one.section === section);
      this.#left.set(
        section,
        blocks.map(({ commands }) => commands),
      );
    }
  }

  /** The next blocks of a section, or all that are left. */
  take(section: string, count?: number): string {
    const left = this.#left.get(section) ?? [];
    const taken = left.splice(0, count ?? left.length);
    if (taken.length === 0 || taken.length < (count ?? 0)) throw new Error(`no block: ${section}`);
    return taken.join("\n");
  }

  /** The blocks that nobody has taken. */
  get left(): readonly string[] {
    return [...this.#left.values()].flat();
  }
}
