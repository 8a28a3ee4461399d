import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { parseArguments } from "../../src/cli/arguments.ts";
import { commandHelp, programHelp } from "../../src/cli/help.ts";
import { offeredCommands } from "../../src/operations/session/command.ts";
import { commandDescriptions } from "../../src/options/command-names.ts";
import { commands } from "../../src/wiring/commands.ts";
import { blocksOf, isForShell, pages, runBy } from "../lab/documented.ts";

// A command that a page states has to be one: its words are parsed like those of a user.

const root = join(import.meta.dirname, "../..");
const offered = offeredCommands(commands);

/** The command lines of a page, in blocks and in the text, continued lines joined. */
function commandLines(text: string): string[] {
  const joined = text.replaceAll(/\\\n\s*/g, " ");
  const found = joined.matchAll(/(?:^|[`\s])(?:npx )?sophon-keeper ([a-z][^`\n]*)/g);
  const lines = [...found].map(([, line = ""]) => line);
  const isCommand = (line: string) =>
    offered.some((name) => new RegExp(`^${name}( -|$)`).test(line));
  return lines.filter(isCommand);
}

/** As a shell splits it: quotes, comments, and what follows the command. */
function words(line: string): string[] {
  const [command = ""] = line.split(/\s+(?:#|\||>|&&|;|2>)/);
  const parts = command.match(/"[^"]*"|'[^']*'|[^\s"']+/g) ?? [];
  const plain = parts.map((part) => part.replace(/^(["'])(.*)\1$/, "$2"));
  // Three dots are the value of a flag, or whatever else there is.
  return plain.filter((part, at) => part !== "..." || plain[at - 1]?.startsWith("--") === true);
}

it.each(pages)("each block of %s runs in a test, or says why it does not", (page) => {
  const blocks = blocksOf(page);
  expect(blocks.filter(({ language }) => language === "")).toEqual([]);
  const shell = blocks.filter(isForShell);
  const isMarked = (mark = "") => /^(tested|not tested: \w.*)$/.test(mark);
  expect(shell.filter(({ mark }) => !isMarked(mark))).toEqual([]);
  const tested = shell.filter(({ mark }) => mark === "tested").map(({ section }) => section);
  const run: string[] = Object.values(runBy).flat();
  expect(new Set(tested)).toEqual(
    new Set(run.filter((section) => section.startsWith(`${page}: `))),
  );
});

it.each(pages.filter((page) => page !== "docs/cli.md"))(
  "%s states no command that would be refused",
  (page) => {
    for (const line of commandLines(readFileSync(join(root, page), "utf8"))) {
      const parse = () => parseArguments(words(line), offered);
      expect(parse, `${page}: sophon-keeper ${line}`).not.toThrow();
      const parsed = parse();
      expect(parsed.kind === "run" ? parsed.idle : [], line).toEqual([]);
    }
  },
);

it.each(offered)("the example in the help of %s is one of its own flags", (name) => {
  const line = commandDescriptions[name].example.replace(/^.*sophon-keeper /, "");
  expect(parseArguments(words(line), offered)).toMatchObject({
    kind: "run",
    command: name,
    idle: [],
  });
});

it.each([40, 60, 80, 200])("help fits a terminal of %i columns", (width) => {
  const texts = [
    programHelp(offered, width),
    ...offered.map((name) => commandHelp(name, { width })),
  ];
  const long = texts
    .flatMap((text) => text.split("\n"))
    // Words that nothing can break, an example, and what a flag takes.
    .filter((line) => line.length > Math.min(width, 96) && !/^ {2}(-|sophon|docker)/.test(line))
    .filter((line) => line.trim().includes(" "));
  expect(long).toEqual([]);
});

it("every command is in a group of the help, and comes to its own flags before the discovery", () => {
  expect(programHelp(offered)).not.toContain("MORE");
  const help = commandHelp("backup");
  expect(help.indexOf("--recipients")).toBeLessThan(help.indexOf("--postgres-service"));
  expect(help).not.toContain("artifact-name");
});
