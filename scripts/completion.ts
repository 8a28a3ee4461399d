import { offeredCommands } from "../src/operations/session/command.ts";
import { type CommandName, commandDescriptions } from "../src/options/command-names.ts";
import { inputsOf } from "../src/options/inputs.ts";
import type { InputSpec } from "../src/options/spec.ts";
import { commands } from "../src/wiring/commands.ts";

const names = offeredCommands(commands);

/** A flag as a shell completes it. */
interface ShellFlag {
  readonly name: string;
  readonly about: string;
  /** Values to choose from; empty for anything. */
  readonly choices: readonly string[];
  readonly takes: "nothing" | "file" | "value";
}

/** The kinds whose value is a path, or may be `@path`. */
const files: readonly InputSpec["kind"][] = [
  ...(["path", "paths", "identities", "recipients", "signers", "secret", "addresses"] as const),
];

/** The flags of a command on the command line. */
function flagsOf(command: CommandName): ShellFlag[] {
  const own = inputsOf([command]).filter(([, spec]) => spec.face !== "action");
  return own.map(([name, spec]) => {
    const { choices = [], actionChoices = [], kind } = spec;
    return {
      name,
      about: firstSentence(spec.aboutFlag ?? spec.about),
      choices: choices.filter((choice) => !actionChoices.includes(choice)),
      takes: kind === "flag" ? "nothing" : files.includes(kind) ? "file" : "value",
    };
  });
}

function firstSentence(text: string): string {
  return (/^.*?[.:](?= |$)/.exec(text)?.[0] ?? text).replace(/[.:]$/, "");
}

/** Every flag once, whatever the command. */
function allFlags(): ShellFlag[] {
  return [...new Map(names.flatMap(flagsOf).map((flag) => [flag.name, flag])).values()];
}

/** What bash sources: `/usr/share/bash-completion/completions/sophon-keeper`. */
export function bashCompletion(): string {
  const flags = allFlags();
  const chosen = flags.filter(({ choices }) => choices.length > 0);
  const paths = flags.filter(({ takes, choices }) => takes === "file" && choices.length === 0);
  const values = flags.filter(({ takes, choices }) => takes === "value" && choices.length === 0);
  const pattern = (some: readonly ShellFlag[]) => some.map(({ name }) => `--${name}`).join("|");
  return `# Generated from src/options by npm run docs. Bash completion for sophon-keeper.
_sophon_keeper() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} word command= at=
  COMPREPLY=()
  # Bash takes --flag=value for three words.
  if [[ $prev == "=" ]]; then prev=\${COMP_WORDS[COMP_CWORD-2]}; fi
  if [[ $cur == "=" ]]; then cur=; fi
  case $prev in
${chosen.map(({ name, choices }) => `    --${name}) mapfile -t COMPREPLY < <(compgen -W '${choices.join(" ")}' -- "$cur"); return ;;`).join("\n")}
    ${pattern(paths)})
      if [[ $cur == @* ]]; then at=@; cur=\${cur#@}; fi
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -P "$at" -f -- "$cur")
      return ;;
    ${pattern(values)}) return ;;
  esac
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in
      ${names.join("|")}) command=$word; break ;;
    esac
  done
  case $command in
${names.map((name) => `    ${name}) word='${[...flagsOf(name).map((flag) => `--${flag.name}`), "--help"].join(" ")}' ;;`).join("\n")}
    *) word='${names.join(" ")} help --help --version' ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$word" -- "$cur")
}
complete -F _sophon_keeper sophon-keeper
`;
}

/** What zsh finds in its \`fpath\` as \`_sophon-keeper\`. */
export function zshCompletion(): string {
  const told = names.map(
    (name) => `    ${zshText(`${name}:${commandDescriptions[name].summary}`)}`,
  );
  const cases = names.map((name) => {
    const lines = flagsOf(name).map((flag) => `        ${zshText(zshSpec(flag))}`);
    return `      ${name})\n        _arguments \\\n${lines.join(" \\\n")} \\\n        '(-h --help)'{-h,--help}'[show the help]' ;;`;
  });
  return `#compdef sophon-keeper
# Generated from src/options by npm run docs. Zsh completion for sophon-keeper.
_sophon-keeper() {
  local line state
  local -a commands
  commands=(
${told.join("\n")}
  )
  _arguments -C '(-h --help)'{-h,--help}'[show the help]' '(-V --version)'{-V,--version}'[show the version]' \\
    '1:command:->command' '*::arguments:->arguments'
  case $state in
    command) _describe command commands ;;
    arguments)
      case $line[1] in
${cases.join("\n")}
      esac ;;
  esac
}
_sophon-keeper "$@"
`;
}

function zshSpec({ name, about, choices, takes }: ShellFlag): string {
  const told = about.replaceAll("[", "(").replaceAll("]", ")").replaceAll(":", ",");
  if (takes === "nothing") return `--${name}[${told}]`;
  const what = choices.length > 0 ? `(${choices.join(" ")})` : takes === "file" ? "_files" : " ";
  return `*--${name}=[${told}]:${name}:${what}`;
}

function zshText(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** What fish reads: `completions/sophon-keeper.fish`. */
export function fishCompletion(): string {
  const head = [
    "# Generated from src/options by npm run docs. Fish completion for sophon-keeper.",
    "complete -c sophon-keeper -f",
    "complete -c sophon-keeper -s h -l help -d 'show the help'",
    "complete -c sophon-keeper -n __fish_use_subcommand -s V -l version -d 'show the version'",
  ];
  const verbs = names.map(
    (name) =>
      `complete -c sophon-keeper -n __fish_use_subcommand -a ${name} -d ${fishText(commandDescriptions[name].summary)}`,
  );
  const flags = allFlags().map(({ name, about, choices, takes }) => {
    const users = names.filter((command) => flagsOf(command).some((flag) => flag.name === name));
    const values =
      choices.length > 0
        ? ` -x -a ${fishText(choices.join(" "))}`
        : takes === "file"
          ? " -r -F"
          : " -x";
    return `complete -c sophon-keeper -n '__fish_seen_subcommand_from ${users.join(" ")}' -l ${name}${takes === "nothing" ? "" : values} -d ${fishText(about)}`;
  });
  return `${[...head, ...verbs, ...flags].join("\n")}\n`;
}

function fishText(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
