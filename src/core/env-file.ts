import { parseEnv } from "node:util";

/** Variables by name. */
type Variables = Readonly<Record<string, string | undefined>>;

const reference =
  /\$(?:\$|([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?:(:?[-+?])((?:[^{}]|\{[^{}]*\})*))?\})/g;
const literalLine = /^\s*(?:export\s+)?([\w.-]+)\s*=\s*'/gm;

/**
 * Replaces variables in a text as Compose does: `$NAME` and `${NAME}`, with a default (`-`, `:-`), a replacement (`+`, `:+`) or a
 * demand (`?`, `:?`). One that nobody has set is empty, and `$$` is a dollar.
 */
export function substitute(text: string, variables: Variables): string {
  return text.replace(
    reference,
    (whole: string, bare?: string, braced?: string, how = "", rest = "") => {
      if (whole === "$$") return "$";
      const value = variables[bare ?? braced ?? ""];
      const isSet = value !== undefined && !(how.startsWith(":") && value === "");
      if (how.endsWith("+")) return isSet ? substitute(rest, variables) : "";
      return how.endsWith("-") && !isSet ? substitute(rest, variables) : (value ?? "");
    },
  );
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
