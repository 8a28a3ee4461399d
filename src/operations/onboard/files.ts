/** What the files of a schedule have to name. */
interface Setting {
  readonly directory: string;
  readonly project: string;
  /** Paths relative to the directory. */
  readonly composeFiles: readonly string[];
  /** The directory of the backups. */
  readonly repository: string;
  /** The service that an upgrade changes, with its image without a tag. */
  readonly main: { readonly service: string; readonly image: string } | undefined;
  /** age recipients, each with what it is for. */
  readonly recipients: readonly { readonly recipient: string; readonly about: string }[];
  /** Absolute paths. */
  readonly node: string;
  readonly program: string;
  readonly recipientsFile: string;
  readonly verifyKey: string;
}

/** The files of `examples/` that this stack gets, by their names there and below the target. */
const sources = {
  "nightly.yml": ".github/workflows/sophon-nightly.yml",
  "gated-upgrade.yml": ".github/workflows/sophon-upgrade.yml",
  "pull-request.yml": ".github/workflows/sophon-rehearsal.yml",
  "sophon-keeper-backup.service": "systemd/sophon-keeper-backup.service",
  "sophon-keeper-backup.timer": "systemd/sophon-keeper-backup.timer",
  "sophon-keeper-recover.service": "systemd/sophon-keeper-recover.service",
  "sophon-keeper.cron": "cron.d/sophon-keeper",
} as const;

/** What a stack of nothing but databases has no use for. */
const ofUpgrades: readonly string[] = ["gated-upgrade.yml", "pull-request.yml"];

/** The names of the examples that {@link filesFor} needs. */
export const exampleNames = Object.keys(sources) as (keyof typeof sources)[];

/** The files of a schedule with the values of this stack, by their paths below the target. */
export function filesFor(
  setting: Setting,
  examples: Readonly<Record<keyof typeof sources, string>>,
): Readonly<Record<string, string>> {
  const files = exampleNames
    .filter((name) => !ofUpgrades.includes(name) || setting.main !== undefined)
    .map((name) => {
      const word = name.endsWith(".cron") ? cronText : unitText;
      return [sources[name], filled(examples[name], setting, word)] as const;
    });
  return Object.fromEntries(files);
}

/** The recipients as a file that `--recipients @FILE` reads. */
export function recipientsText({ recipients }: Pick<Setting, "recipients">): string {
  return recipients.map(({ recipient, about }) => `# ${about}\n${recipient}\n`).join("");
}

/** Places of the examples that differ from stack to stack. */
function filled(text: string, setting: Setting, word: (path: string) => string): string {
  const { directory, project, main, recipients, node, program } = setting;
  const block = recipients
    .map(({ recipient, about }) => `            # ${about}\n            ${recipient}`)
    .join("\n");
  const watched = setting.composeFiles.map((file) => `      - ${yamlText(file)}`).join("\n");
  const places: readonly (readonly [example: string, own: string])[] = [
    ["      - docker-compose.yml", watched],
    ["repository: /var/lib/sophon-keeper/sophon", `repository: ${yamlText(setting.repository)}`],
    ["project-directory: /srv/sophon", `project-directory: ${yamlText(directory)}`],
    ["--project-directory /srv/sophon", `--project-directory ${word(directory)}`],
    ["--project-name sophon", `--project-name ${word(project)}`],
    ["/opt/node-24/bin/node", word(node)],
    ["/opt/sophon-keeper/dist/cli.js", word(program)],
    ["@/etc/sophon-keeper/recipients.txt", word(`@${setting.recipientsFile}`)],
    ["/etc/sophon-keeper/verify.key", word(setting.verifyKey)],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: an expression of a workflow
    ["recipients: ${{ vars.SOPHON_BACKUP_RECIPIENTS }}", `recipients: |\n${block}`],
    ["sophon-gateway=buildersoftdev/sophon:", `${main?.service}=${main?.image}:`],
    ["The tag of buildersoftdev/sophon", `The tag of ${main?.image}`],
  ];
  // Not `replaceAll`: a `$` of a path would mean something to it.
  return places.reduce((filledSoFar, [example, own]) => filledSoFar.split(example).join(own), text);
}

/** A path as a YAML scalar; JSON's strings are YAML's. */
function yamlText(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : JSON.stringify(path);
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
