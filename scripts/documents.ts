import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "yaml";
import { outputs } from "../src/action/outputs.ts";
import { actionInputs, offeredModes } from "../src/action/step-inputs.ts";
import { commandHelp, exitMeanings, placeholderOf } from "../src/cli/help.ts";
import { exitCodeOf } from "../src/core/errors.ts";
import { CLASS_MEANING } from "../src/log-scan/failure-class.ts";
import { RULES } from "../src/log-scan/failure-rules.ts";
import { HARMLESS } from "../src/log-scan/ignore-rules.ts";
import { offeredCommands } from "../src/operations/session/command.ts";
import { commandDescriptions } from "../src/options/command-names.ts";
import type { InputSpec } from "../src/options/spec.ts";
import { commands } from "../src/wiring/commands.ts";
import { bashCompletion, fishCompletion, zshCompletion } from "./completion.ts";
import { matrixTables } from "./compose-matrix.ts";
import { configSchema } from "./config-schema.ts";
import { layerLint, layerTable } from "./layers.ts";
import { manualPage } from "./manual.ts";
import { packageVersion } from "./version.ts";

const root = join(import.meta.dirname, "..");
const modes = offeredModes(commands);

/** Renders the files that are generated from the tables of inputs, outputs and commands. */
export async function renderDocuments(): Promise<Map<string, string>> {
  return new Map([
    ["action.yml", actionYml()],
    ["biome.layers.json", layerLint()],
    ["sophon-keeper.schema.json", configSchema()],
    ["completions/sophon-keeper.bash", bashCompletion()],
    ["completions/_sophon-keeper", zshCompletion()],
    ["completions/sophon-keeper.fish", fishCompletion()],
    ["man/sophon-keeper.1", manualPage(await packageVersion(root))],
    ["CONTRIBUTING.md", await filled("CONTRIBUTING.md", { layers: layerTable() })],
    [
      "README.md",
      await filled("README.md", {
        modes: modeTable(),
        inputs: inputTable(),
        outputs: outputTable(),
      }),
    ],
    [
      "docs/cli.md",
      await filled("docs/cli.md", { commands: commandSections(), exits: exitTable() }),
    ],
    ["docs/compose.md", await filled("docs/compose.md", { keys: matrixTables(table) })],
    [
      "docs/log-scan.md",
      await filled("docs/log-scan.md", {
        classes: table(
          ["class", "what it means and what to do"],
          Object.entries(CLASS_MEANING).map(named),
        ),
        rules: table(
          ["rule", "what it means", "written by"],
          RULES.map((rule) => named([rule.name, rule.meaning, rule.source])),
        ),
        harmless: table(
          ["rule", "why it proves nothing", "written by"],
          HARMLESS.map((rule) => named([rule.name, rule.why, rule.source])),
        ),
      }),
    ],
  ]);
}

/** A row whose first cell is a name. */
function named([name = "", ...rest]: readonly string[]): readonly string[] {
  return [`\`${name}\``, ...rest];
}

function actionYml(): string {
  const about = modes.map((mode) => `${mode} (${commandDescriptions[mode].summary})`).join(", ");
  const inputs = actionInputs(modes).map(([name, spec]) => [
    name,
    {
      description: inputAbout(spec),
      required: false,
      ...(defaultOf(spec) === undefined ? {} : { default: defaultOf(spec) }),
    },
  ]);
  const document = {
    name: "Sophon Keeper",
    description:
      "Backs up, verifies, restores and upgrades a self-hosted Sophon stack under Docker Compose.",
    author: "Sophon Keeper contributors",
    branding: { icon: "shield", color: "blue" },
    inputs: {
      mode: { description: `What to do: ${about}.`, required: true },
      ...Object.fromEntries(inputs),
    },
    outputs: Object.fromEntries(
      outputs.map((output) => [output.name, { description: output.about }]),
    ),
    runs: { using: "node24", main: "dist/main.js", post: "dist/post.js" },
  };
  const header = "# Generated from src/options and src/action/outputs.ts by npm run docs.\n";
  // YAML 1.1 readers would read an unquoted `on` as true.
  return header + stringify(document, { lineWidth: 100, compat: "yaml-1.1" });
}

function modeTable(): string {
  const rows = offeredCommands(commands).map((name) => [
    modes.includes(name) ? `\`${name}\`` : `\`${name}\` (command line only)`,
    commandDescriptions[name].summary,
  ]);
  return table(["mode", "what it does"], rows);
}

function inputTable(): string {
  const rows = actionInputs(modes).map(([name, spec]) => [
    `\`${name}\``,
    defaultOf(spec) === undefined ? "" : `\`${defaultOf(spec)}\``,
    inputAbout(spec),
    spec.commands.filter((command) => modes.includes(command)).join(", "),
  ]);
  const mode = ["`mode`", "", `What to do: ${modes.join(", ")}. Required.`, ""];
  return table(["input", "default", "what it is", "modes"], [mode, ...rows]);
}

function outputTable(): string {
  return table(
    ["output", "what it is"],
    outputs.map(({ name, about }) => [`\`${name}\``, about]),
  );
}

function commandSections(): string {
  const sections = offeredCommands(commands).map(
    (name) => `## ${name}\n\n\`\`\`text\n${commandHelp(name).trimEnd()}\n\`\`\``,
  );
  return sections.join("\n\n");
}

function exitTable(): string {
  const rows = Object.entries(exitMeanings).map(([code, meaning]) => {
    const words = Object.entries(exitCodeOf).filter(([, exit]) => String(exit) === code);
    return [code, meaning, words.map(([word]) => `\`${word}\``).join(" ")];
  });
  return table(["exit", "meaning", "`result`"], rows);
}

function inputAbout(spec: InputSpec): string {
  return spec.choices === undefined ? spec.about : `${placeholderOf(spec)}. ${spec.about}`;
}

/** Replaces the text between `<!-- name -->` and `<!-- /name -->`. */
async function filled(file: string, parts: Readonly<Record<string, string>>): Promise<string> {
  let text = await readFile(join(root, file), "utf8");
  for (const [name, part] of Object.entries(parts)) {
    const between = new RegExp(`(<!-- ${name} -->\n)[^]*?(<!-- /${name} -->)`);
    if (!between.test(text)) throw new Error(`${file} has no place for ${name}`);
    text = text.replace(between, (_, start: string, end: string) => `${start}\n${part}\n\n${end}`);
  }
  return text;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), `|${head.map(() => " --- ").join("|")}|`, ...rows.map(line)].join("\n");
}

/** What a step gets if the input is omitted. */
function defaultOf(spec: InputSpec): string | undefined {
  return spec.actionDefault ?? spec.default;
}
