import { join, relative } from "node:path";
import { hasServer, type Stack } from "../../model/stack.ts";
import type { Options } from "../../options/parse.ts";
import { gitRoot } from "./look-around.ts";

/** The inputs that say where the stack and its backups are, if the user gave them: the schedule needs them, too. */
export function givenInputs(options: Options): Record<string, string> {
  const names = {
    ...{ repository: options.repository, "project-name": options.projectName },
    ...{ "compose-files": options.composeFiles, "env-files": options.envFiles },
    profiles: options.profiles,
  };
  const text = (value: string | readonly string[]) => {
    if (typeof value === "string") return value;
    return value.length === 1 ? String(value[0]) : JSON.stringify(value);
  };
  return Object.fromEntries(
    Object.entries(names).flatMap(([name, value]) =>
      value === undefined || value.length === 0 ? [] : [[name, text(value)] as const],
    ),
  );
}

/** A pull request that changes one of them may change an image: paths relative to the root of the Git repository. */
export function watchedFiles({
  directory,
  composeFiles,
}: Pick<Stack, "directory" | "composeFiles">): string[] {
  const root = gitRoot(directory) ?? directory;
  const paths = [...composeFiles, join(directory, ".env")].map((path) => relative(root, path));
  return paths.filter((path) => !path.startsWith(".."));
}

/** What an upgrade usually changes: the stack's own service, not one of its database servers. */
export function mainService({ stores, containers, tier }: Stack) {
  const servers = new Set(stores.filter(hasServer).map(({ service }) => service));
  const own = containers.filter(({ service }) => !servers.has(service));
  const main =
    tier === "other" ? own[0] : (own.find(({ service }) => service.includes("gateway")) ?? own[0]);
  if (main === undefined) return undefined;
  const image = main.imageReference.replace(/@sha256:.*$/, "").replace(/:[^:/]+$/, "");
  return { service: main.service, image };
}
