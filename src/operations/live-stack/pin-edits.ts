import { isAlias, isMap, isScalar, parseDocument, type YAMLMap } from "yaml";

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
 * variable of an env file, then the effective line in a compose file. A service that has its image from elsewhere (an
 * anchor, `extends`) gets a line of its own. Comments and everything else stay. The caller tests with Compose whether an
 * edit has the wanted effect.
 */
export function imageEdits(
  files: readonly ProjectFile[],
  service: string,
  reference: string,
): ProjectFile[] {
  const found = imageScalar(files, service);
  if (found === undefined) return ownLine(files, service, reference);
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
    if (!(isScalar(node) || isAlias(node)) || !node.range) continue;
    const [start, end] = node.range;
    if (isAlias(node)) return { file, value: "", start, end };
    if (typeof node.value === "string") return { file, value: node.value, start, end };
  }
  return undefined;
}

/** Names the image in the service itself, in the last file that has it: that counts before what is merged into it. */
function ownLine(files: readonly ProjectFile[], service: string, reference: string): ProjectFile[] {
  const image = `image: ${JSON.stringify(reference)}`;
  for (const file of files.filter(({ kind }) => kind === "compose").toReversed()) {
    const node = parseDocument(file.text).getIn(["services", service], true);
    const edited = isMap(node)
      ? withFirst(file.text, node, image)
      : isAlias(node) && node.range
        ? replaced(file.text, node.range, `{ <<: *${node.source}, ${image} }`)
        : undefined;
    if (edited !== undefined) return [{ ...file, text: edited }];
  }
  return [];
}

/** Puts a line in front of the first one of a mapping. */
function withFirst(text: string, node: YAMLMap, line: string): string | undefined {
  const [first] = node.items;
  const start = node.range?.[0];
  if (start === undefined) return undefined;
  if (node.flow === true) {
    const isEmpty = first === undefined;
    return replaced(text, [start, start + 1], `{ ${line}${isEmpty ? " " : ","}`);
  }
  // All keys of a block have the column of its first key.
  const indent = text.slice(text.lastIndexOf("\n", start - 1) + 1, start);
  return /^ *$/.test(indent) ? replaced(text, [start, start], `${line}\n${indent}`) : undefined;
}

function replaced(text: string, [start, end]: readonly number[], by: string): string {
  return `${text.slice(0, start)}${by}${text.slice(end)}`;
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
