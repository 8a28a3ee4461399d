import { isScalar, parseDocument } from "yaml";

/** A project file with its content. */
export interface ProjectFile {
  readonly path: string;
  readonly kind: "compose" | "env";
  readonly text: string;
}

/** The variable reference forms of Compose: `${NAME}`, `${NAME:-default}`, `${NAME:?error}`, `$NAME`. */
const variable = /\$\{(\w+)(?::?[-?+]([^}]*))?\}|\$(\w+)/g;

/**
 * The possible edits that give a service another image, each as the one changed file, the smallest change first: a
 * variable of an env file, then the effective line in a compose file. Comments and everything else stay. The caller
 * tests with Compose whether an edit has the wanted effect.
 */
export function imageEdits(
  files: readonly ProjectFile[],
  service: string,
  reference: string,
): ProjectFile[] {
  const found = imageScalar(files, service);
  if (found === undefined) return [];
  const { file, value, start, end } = found;
  const env = files.filter(({ kind }) => kind === "env");
  const literal = {
    ...file,
    text: `${file.text.slice(0, start)}${JSON.stringify(reference)}${file.text.slice(end)}`,
  };
  return [...env.reverse().flatMap((one) => variableEdits(one, env, value, reference)), literal];
}

function imageScalar(files: readonly ProjectFile[], service: string) {
  for (const file of files.filter(({ kind }) => kind === "compose").toReversed()) {
    const node = parseDocument(file.text).getIn(["services", service, "image"], true);
    if (!isScalar(node) || typeof node.value !== "string" || !node.range) continue;
    return { file, value: node.value, start: node.range[0], end: node.range[1] };
  }
  return undefined;
}

/** For `registry/${NAME}:${TAG:-1}`, changes one variable at a time and keeps the others. */
function variableEdits(
  file: ProjectFile,
  env: readonly ProjectFile[],
  value: string,
  reference: string,
): ProjectFile[] {
  const all = [...value.matchAll(variable)];
  return all.flatMap((match) => {
    const name = match[1] ?? match[3] ?? "";
    const before = expand(value.slice(0, match.index), env);
    const after = expand(value.slice(match.index + match[0].length), env);
    if (!reference.startsWith(before) || !reference.endsWith(after)) return [];
    const wanted = reference.slice(before.length, reference.length - after.length);
    return wanted === "" ? [] : [{ ...file, text: withVariable(file.text, name, wanted) }];
  });
}

function expand(text: string, env: readonly ProjectFile[]): string {
  return text.replace(variable, (_, braced?: string, fallback?: string, bare?: string) => {
    const name = braced ?? bare ?? "";
    for (const { text: own } of env.toReversed()) {
      const set = lineOf(name).exec(own)?.[2];
      if (set !== undefined) return set.replace(/^(["'])(.*)\1$/, "$2");
    }
    return fallback ?? "";
  });
}

function withVariable(text: string, name: string, value: string): string {
  const line = lineOf(name);
  if (line.test(text)) return text.replace(line, (_, head: string) => `${head}${value}`);
  const end = text === "" || text.endsWith("\n") ? "" : "\n";
  return `${text}${end}${name}=${value}\n`;
}

/** The line that sets a variable; a comment after the value stays. */
function lineOf(name: string): RegExp {
  return new RegExp(`^(\\s*(?:export\\s+)?${name}\\s*=\\s*)("[^"\\n]*"|'[^'\\n]*'|[^\\s#]*)`, "m");
}
