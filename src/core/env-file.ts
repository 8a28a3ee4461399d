import { parseEnv } from "node:util";

/** Variables by name. */
type Variables = Readonly<Record<string, string | undefined>>;

const literalLine = /^\s*(?:export\s+)?([\w.-]+)\s*=\s*'/gm;

/**
 * Replaces variables in a text as Compose does: `$NAME` and `${NAME}`, with a default (`-`, `:-`), a replacement (`+`, `:+`) or a
 * demand (`?`, `:?`). One that nobody has set is empty, and `$$` is a dollar.
 */
export function substitute(text: string, variables: Variables): string {
  let done = "";
  for (let at = 0; at < text.length; ) {
    const [part = "", name] = /^(?:[^$]+|\$\$|\$([A-Za-z_]\w*)|\$)/.exec(text.slice(at)) ?? [];
    const inner = part === "$" && text[at + 1] === "{" ? innerAt(text, at + 2) : undefined;
    if (inner !== undefined) done += braced(inner, variables);
    else if (name !== undefined) done += variables[name] ?? "";
    else done += part === "$$" ? "$" : part;
    at += inner === undefined ? part.length : inner.length + 3;
  }
  return done;
}

/** What stands between braces, which may be nested; undefined if they are not closed. */
function innerAt(text: string, from: number): string | undefined {
  let depth = 1;
  for (let at = from; at < text.length; at++) {
    if (text.startsWith("${", at)) depth += 1;
    else if (text[at] === "}") depth -= 1;
    if (depth === 0) return text.slice(from, at);
  }
  return undefined;
}

function braced(inner: string, variables: Variables): string {
  const [, name = "", colon = "", sign = "", word = ""] =
    /^([A-Za-z_]\w*)(:?)([-+?]?)(.*)$/s.exec(inner) ?? [];
  const value = variables[name];
  const isSet = colon === "" ? value !== undefined : (value ?? "") !== "";
  if (sign === "-") return isSet ? (value ?? "") : substitute(word, variables);
  if (sign === "+") return isSet ? substitute(word, variables) : "";
  return value ?? "";
}

/**
 * The variables of env files as Compose reads them. A later file counts more than an earlier one. A value may refer to what
 * stands before it, unless it is in single quotes, and to `outer`, which counts most.
 */
export function readEnvTexts(
  texts: readonly string[],
  outer: Variables = {},
): Record<string, string> {
  const all: Record<string, string> = {};
  for (const text of texts) {
    const literal = new Set([...text.matchAll(literalLine)].map(([, name]) => name));
    for (const [name, value = ""] of Object.entries(parseEnv(text))) {
      all[name] = literal.has(name) ? value : substitute(value, { ...all, ...outer });
    }
  }
  return all;
}
