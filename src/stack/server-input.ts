import type { Containers } from "../core/containers.ts";
import { RefusedError } from "../core/errors.ts";
import type { ComposeModel, ContainerState } from "../model/stack.ts";
import { mountAt } from "./server-kind.ts";

/** What is needed to describe a server. */
export interface ServerContext {
  readonly containers: Pick<Containers, "exec">;
  readonly model: ComposeModel;
  readonly databaseUser?: string | undefined;
  readonly databaseName?: string | undefined;
}

/** @throws RefusedError when the directory of the server's data is not on a volume. */
export function placeOfServer(state: ContainerState, directory: string) {
  const mount = mountAt(state.mounts, directory);
  if (mount === undefined)
    throw new RefusedError(
      `service ${state.service} does not keep its data (${directory}) on a volume`,
      {
        class: "no-volume",
        hint: `Give it a volume in the compose file, or leave the service out with exclude: ${state.service}.`,
      },
    );
  return { name: state.service, service: state.service, containerId: state.id, mount };
}

/** The first of these variables that the container has, or the content of the file that its `_FILE` form names. */
export async function readVariable(
  state: ContainerState,
  names: readonly string[],
  context: Pick<ServerContext, "containers">,
): Promise<string | undefined> {
  for (const name of names) {
    const value = state.environment[name];
    if (value !== undefined && value !== "") return value;
    const file = state.environment[`${name}_FILE`];
    if (file === undefined || file === "") continue;
    const text = (await readInside(state, file, context)).replace(/\r?\n$/, "");
    if (text !== "") return text;
  }
  return undefined;
}

/** The text of a file inside a running container; empty if it is unreadable: the server itself will report that. */
export async function readInside(
  state: ContainerState,
  path: string,
  context: Pick<ServerContext, "containers">,
): Promise<string> {
  if (state.state !== "running") return "";
  const result = await context.containers.exec(state.id, ["cat", path], { okCodes: [0, 1] });
  return result.stdout;
}

/**
 * The words of a command. A `sh -c` line is split into its words, with the container's variables expanded and the files
 * that `$(cat FILE)` names read.
 */
export async function wordsOf(
  argv: readonly string[],
  state: ContainerState,
  context: ServerContext,
): Promise<readonly string[]> {
  if (!argv.some((word) => /(^|\/)(ba|da)?sh$/.test(word))) return argv;
  const words = argv.flatMap((word) => word.match(/"[^"]*"|'[^']*'|\$\([^)]*\)|[^\s;&|]+/g) ?? []);
  return await Promise.all(words.map((word) => expand(word, state, context)));
}

async function expand(
  quoted: string,
  state: ContainerState,
  context: ServerContext,
): Promise<string> {
  const word = quoted.replace(/^(["'])(.*)\1$/s, "$2");
  const file = /^\$\(\s*(?:cat\s|<)\s*["']?([^\s"')]+)["']?\s*\)$/.exec(word)?.[1];
  const expanded = (text: string) =>
    text.replace(/\$\{?(\w+)\}?/g, (whole, name: string) => state.environment[name] ?? whole);
  if (file === undefined) return expanded(word);
  return (await readInside(state, expanded(file), context)).replace(/\n+$/, "");
}
