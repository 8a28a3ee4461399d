import type { Recipient } from "./key-files.ts";

/** What the files of a schedule have to name. */
export interface Setting {
  readonly directory: string;
  readonly project: string;
  /** What a pull request changes, as paths relative to the root of the Git repository. */
  readonly watched: readonly string[];
  /** The directory of the backups. */
  readonly repository: string;
  /** Inputs of every command that the user gave beside the directory, by name, as a user types them. */
  readonly given: Readonly<Record<string, string>>;
  /** The service that an upgrade changes, with its image without a tag. */
  readonly main: { readonly service: string; readonly image: string } | undefined;
  /** The age recipients; empty for keys of the user's own, which the examples' places then stay for. */
  readonly recipients: readonly Recipient[];
  /** The commit of this release, and its version; undefined: the workflows name a tag that moves. */
  readonly release: { readonly commit: string; readonly version: string } | undefined;
  /** Absolute paths. */
  readonly node: string;
  readonly program: string;
  readonly recipientsFile: string;
  readonly verifyKey: string;
}

/** The files of `examples/` that this stack gets, by kind of schedule: their names there and below the target. */
const sources = {
  workflows: {
    "nightly.yml": ".github/workflows/sophon-nightly.yml",
    "gated-upgrade.yml": ".github/workflows/sophon-upgrade.yml",
    "pull-request.yml": ".github/workflows/sophon-rehearsal.yml",
  },
  systemd: {
    "sophon-keeper-backup.service": "systemd/sophon-keeper-backup.service",
    "sophon-keeper-backup.timer": "systemd/sophon-keeper-backup.timer",
    "sophon-keeper-recover.service": "systemd/sophon-keeper-recover.service",
  },
  cron: { "sophon-keeper.cron": "cron.d/sophon-keeper" },
} as const;

/** What starts the backups: GitHub, systemd or cron. */
export type ScheduleKind = keyof typeof sources;

/** Every {@link ScheduleKind}. */
export const scheduleKinds = Object.keys(sources) as ScheduleKind[];

/** What a stack of nothing but databases has no use for. */
const ofUpgrades: readonly string[] = ["gated-upgrade.yml", "pull-request.yml"];

/** The names of the examples that {@link filesFor} needs. */
export const exampleNames = scheduleKinds.flatMap((kind) => Object.keys(sources[kind]));

/** The files of one kind of schedule with the values of this stack, by their paths below the target. */
export function filesFor(
  kind: ScheduleKind,
  setting: Setting,
  examples: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const word = { workflows: yamlText, systemd: unitText, cron: cronText }[kind];
  const files = Object.entries(sources[kind])
    .filter(([name]) => !ofUpgrades.includes(name) || setting.main !== undefined)
    .map(([name, path]): [string, string] => [path, filled(examples[name] ?? "", setting, word)]);
  return Object.fromEntries(files);
}

/** Places of the examples that differ from stack to stack. */
function filled(text: string, setting: Setting, word: (path: string) => string): string {
  const { directory, project, main, node, program, given } = setting;
  const watched = setting.watched.map((file) => `      - ${yamlText(file)}`).join("\n");
  const places: readonly (readonly [example: string, own: string])[] = [
    ["      - docker-compose.yml\n      - .env", watched],
    ["repository: /var/lib/sophon-keeper/sophon", `repository: ${yamlText(setting.repository)}`],
    ["/opt/node-24/bin/node", word(node)],
    ["/opt/sophon-keeper/dist/cli.js", word(program)],
    ["sophon-gateway=buildersoftdev/sophon:", `${main?.service}=${main?.image}:`],
    ["The tag of buildersoftdev/sophon", `The tag of ${main?.image}`],
    ...keyPlaces(setting, word),
  ];
  // Not `replaceAll`: a `$` of a path would mean something to it.
  const named = places.reduce((soFar, [example, own]) => soFar.split(example).join(own), text);
  return pinned(named, setting)
    .replace(/^( *)project-directory: \/srv\/sophon$/gm, (_, indent: string) =>
      [["project-directory", directory] as const, ...Object.entries(given)]
        .map(([name, value]) => `${indent}${name}: ${yamlText(value)}`)
        .join("\n"),
    )
    .replace(/--project-directory \/srv\/sophon( --project-name sophon)?/g, (_, isNamed?: string) =>
      Object.entries({
        ...{ "project-directory": directory },
        ...(isNamed === undefined ? {} : { "project-name": project }),
        ...given,
      })
        .map(([name, value]) => `--${name} ${word(value)}`)
        .join(" "),
    );
}

/** The places of keys. Without keys of `init` they stay as the examples have them. */
function keyPlaces(
  { recipients, recipientsFile, verifyKey }: Setting,
  word: (path: string) => string,
): readonly (readonly [example: string, own: string])[] {
  if (recipients.length === 0) return [];
  const block = recipients
    .map(({ recipient, about }) => `            # ${about}\n            ${recipient}`)
    .join("\n");
  return [
    ["@/etc/sophon-keeper/recipients.txt", word(`@${recipientsFile}`)],
    ["/etc/sophon-keeper/verify.key", word(verifyKey)],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: an expression of a workflow
    ["recipients: ${{ vars.SOPHON_BACKUP_RECIPIENTS }}", `recipients: |\n${block}`],
  ];
}

/** The workflows with the commit of this release in the place of the tag: who can move a tag cannot change what runs. */
function pinned(text: string, { release }: Setting): string {
  if (release === undefined) return text;
  const { commit, version } = release;
  return text.replace(/(uses: sophon-keeper\/sophon-keeper@)v\d+$/gm, `$1${commit} # v${version}`);
}

/** A value as a YAML scalar; JSON's strings are YAML's. */
function yamlText(value: string): string {
  return /^[\w./-]*[A-Za-z/][\w./-]*$/.test(value) && !isYamlWord(value)
    ? value
    : JSON.stringify(value);
}

/** What YAML 1.1 or 1.2 reads as something else than a text. */
function isYamlWord(value: string): boolean {
  return /^(?:true|false|yes|no|on|off|y|n|null|-.*|[\d.]+e\d+|0[xo][\da-f]+)$/i.test(value);
}

/** A path as a word of a systemd unit, where `%` and `$` begin something (systemd.service(5), Command lines). */
function unitText(path: string): string {
  if (/^[\w.@/-]+$/.test(path)) return path;
  return `"${path
    .replaceAll("\\", "\\\\")
    .replaceAll('"', '\\"')
    .replaceAll("%", "%%")
    .replaceAll("$", () => "$$")}"`;
}

/** A path as a word of the command in a crontab, where a `%` ends the line unless a backslash stands before it (crontab(5)). */
function cronText(path: string): string {
  if (/^[\w.@/-]+$/.test(path)) return path;
  return `'${path.replaceAll("'", "'\\''").replaceAll("%", "\\%")}'`;
}
