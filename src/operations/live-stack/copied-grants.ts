import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { RefusedError } from "../../core/errors.ts";
import { temporaryDirectory } from "../../core/temp.ts";
import type { ComposeModel } from "../../model/stack.ts";
import { createCompose } from "../../stack/compose.ts";
import { readContainerFile } from "../../stack/container-file.ts";
import type { Property } from "../../stack/definition-property.ts";
import type { Engine } from "../../stack/engine.ts";
import type { ComposeFiles } from "./journal-shapes.ts";

/** A config or secret without a file of the host: Compose copies its content into a container when it creates that. */
interface CopiedGrant {
  /** Such as `configs.site`, or `secrets.token from TOKEN` if a variable holds the content. */
  readonly path: string;
  /** Where the container has it. */
  readonly place: string;
  /** The variable that holds the content; undefined if the files hold it. */
  readonly variable: string | undefined;
  /** What a new container would get; undefined if nobody has set the variable. */
  readonly content: string | undefined;
}

/** What copied grants are read from. */
interface GrantSource {
  readonly project: ComposeFiles;
  readonly model: ComposeModel;
}

const kinds = ["configs", "secrets"] as const;
const extensionKey = "x-sophon-keeper";

/** The copied configs and secrets of services, by service. */
export async function copiedGrants(
  engine: Pick<Engine, "environment">,
  { project, model }: GrantSource,
  services: readonly string[],
): Promise<ReadonlyMap<string, readonly CopiedGrant[]>> {
  const found = new Map(services.map((name) => [name, grantsOf(model, name)]));
  const names = [...found.values()].flat().flatMap(({ variable }) => variable ?? []);
  if (names.length === 0) return found;
  const values = await valuesOf(engine, project, [...new Set(names)]);
  const filled = (grant: CopiedGrant) =>
    grant.variable === undefined ? grant : { ...grant, content: values[grant.variable] };
  return new Map([...found].map(([name, all]) => [name, all.map(filled)]));
}

function grantsOf(model: ComposeModel, service: string): CopiedGrant[] {
  return kinds.flatMap((kind) => {
    const given = (model.services[service]?.[kind] ?? []) as readonly {
      readonly source: string;
      readonly target?: string;
    }[];
    return given.flatMap(({ source, target = source }): CopiedGrant[] => {
      const { content, environment } = (model[kind]?.[source] ?? {}) as {
        readonly content?: string;
        readonly environment?: string;
      };
      if (content === undefined && environment === undefined) return [];
      const directory = kind === "secrets" ? "/run/secrets/" : "/";
      const place = target.startsWith("/") ? target : `${directory}${target}`;
      const from = environment === undefined ? "" : ` from ${environment}`;
      return [{ path: `${kind}.${source}${from}`, place, variable: environment, content }];
    });
  });
}

/** The variables as Compose itself reads them, from its env files and from the shell. */
async function valuesOf(
  engine: Pick<Engine, "environment">,
  project: ComposeFiles,
  names: readonly string[],
): Promise<Readonly<Record<string, string | undefined>>> {
  await using trial = await temporaryDirectory("sophon-keeper-");
  const override = join(trial.path, "variables.yml");
  const asked = Object.fromEntries(
    names.map((name) => [name, [`\${${name}+set}`, `\${${name}-}`]]),
  );
  await writeFile(override, JSON.stringify({ [extensionKey]: asked }), { mode: 0o600 });
  const model = await createCompose(engine, project).config([override]);
  const told = (model as Readonly<Record<string, unknown>>)[extensionKey] as
    | Readonly<Record<string, readonly string[]>>
    | undefined;
  return Object.fromEntries(
    names.map((name) => {
      const [isSet, value] = told?.[name] ?? [];
      return [name, isSet === "set" ? value : undefined];
    }),
  );
}

/**
 * How the files that Compose copied into a container differ from what it would copy now. Its hash does not tell, and a
 * rollback would make the old container with the new content.
 */
export async function copiedDrift(
  engine: Pick<Engine, "docker">,
  container: string,
  grants: readonly CopiedGrant[],
  project: ComposeFiles,
): Promise<Property[]> {
  const found: Property[] = [];
  for (const { path, place, content } of grants) {
    // An included project may have variables of its own.
    if (content === undefined && hasInclude(project)) continue;
    const copied = await readContainerFile(engine, container, place);
    if (copied === undefined || copied.equals(Buffer.from(content ?? ""))) continue;
    found.push({ path, wanted: content, actual: copied.toString("utf8") });
  }
  return found;
}

/**
 * Makes sure that Compose has the content of every config and secret of services that it is to create.
 *
 * @throws RefusedError (class `compose-config`) that names the variable that is not set.
 */
export async function requireGrants(
  engine: Pick<Engine, "environment">,
  source: GrantSource,
  services: readonly string[],
): Promise<void> {
  if (hasInclude(source.project)) return;
  const all = await copiedGrants(engine, source, services);
  for (const [service, grants] of all) {
    const missing = grants.find(({ content }) => content === undefined);
    if (missing === undefined) continue;
    const { path, variable } = missing;
    throw new RefusedError(`service ${service} needs ${path}, which is not set`, {
      class: "compose-config",
      hint: `Set ${variable} in ${source.project.directory}/.env or in a file that env-files names, or in the environment of this command.`,
    });
  }
}

function hasInclude({ composeFiles }: ComposeFiles): boolean {
  return composeFiles.some((file) => /^include\s*:/m.test(readFileSync(file, "utf8")));
}
