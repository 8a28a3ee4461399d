/** One line of a Redis configuration: its name in lower case, and its words. */
export interface RedisDirective {
  readonly name: string;
  readonly values: readonly string[];
}

/** The user and password with which a client logs in. Without a user it is `default`. */
interface RedisLogin {
  readonly user?: string;
  readonly password?: string;
}

/** The directives of a configuration file. Comments and empty lines are left out. */
export function parseRedisConfig(text: string): RedisDirective[] {
  return text.split(/\r?\n/).flatMap((line) => {
    if (line.trim() === "" || line.trim().startsWith("#")) return [];
    const [name = "", ...values] = splitWords(line);
    return name === "" ? [] : [{ name: name.toLowerCase(), values }];
  });
}

/** The directives on a command line: `--name value ...`. */
export function redisDirectivesIn(words: readonly string[]): RedisDirective[] {
  const found: { name: string; values: string[] }[] = [];
  for (const word of words) {
    if (word.startsWith("--") && word.length > 2) {
      found.push({ name: word.slice(2).toLowerCase(), values: [] });
    } else found.at(-1)?.values.push(word);
  }
  return found;
}

/** The configuration file on a command line: the argument after the server's name, or a word that ends in `.conf`. */
export function configFileIn(words: readonly string[]): string | undefined {
  const at = words.findIndex((word) => /(^|\/)(redis|valkey|keydb)-server$/.test(word));
  const next = at < 0 ? undefined : words[at + 1];
  if (next !== undefined && next !== "-" && !next.startsWith("--")) return next;
  return words.find((word) => word.endsWith(".conf"));
}

/** The names of the commands that the server knows under another name; empty for a command that it does not accept. */
export function renamedCommands(
  directives: readonly RedisDirective[],
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    directives
      .filter(({ name }) => name === "rename-command")
      .map(({ values: [from = "", to = ""] }) => [from.toUpperCase(), to]),
  );
}

/**
 * The login of a user that may run every command, from the users that a configuration defines (`user NAME RULE ...`).
 * The default user is preferred.
 *
 * @returns undefined if the configuration defines no user, or none whose password it shows.
 */
export function loginOf(directives: readonly RedisDirective[]): RedisLogin | undefined {
  const users = new Map<string, readonly string[]>();
  for (const { name, values } of directives) {
    const [user, ...rules] = values;
    if (name === "user" && user !== undefined) users.set(user, rules);
  }
  const names = [...users.keys()].toSorted(
    (a, b) => Number(b === "default") - Number(a === "default"),
  );
  for (const user of names) {
    const { isOn, mayAll, isOpen, password } = rightsOf(users.get(user) ?? []);
    if (!isOn || !mayAll || (!isOpen && password === undefined)) continue;
    const secret = password === undefined ? {} : { password };
    if (user === "default") return secret;
    // The client sends a user only together with a password; a user without one accepts any.
    return { user, password: password ?? "none" };
  }
  return undefined;
}

/** Whether the configuration closes the default user to a client that has no password. */
export function isDefaultClosed(directives: readonly RedisDirective[]): boolean {
  const own = directives.findLast(({ name, values }) => name === "user" && values[0] === "default");
  if (own === undefined) return false;
  const { isOn, mayAll } = rightsOf(own.values.slice(1));
  return !isOn || !mayAll;
}

function rightsOf(rules: readonly string[]) {
  let isOn = false;
  let mayAll = false;
  let isOpen = false;
  let password: string | undefined;
  for (const rule of rules) {
    if (rule === "on") isOn = true;
    else if (rule === "off") isOn = false;
    else if (rule === "+@all" || rule === "allcommands") mayAll = true;
    else if (rule === "-@all" || rule === "nocommands") mayAll = false;
    else if (rule === "nopass") isOpen = true;
    else if (rule === "reset" || rule === "resetpass") {
      isOpen = false;
      password = undefined;
      if (rule === "reset") [isOn, mayAll] = [false, false];
    } else if (rule.startsWith(">")) {
      isOpen = false;
      password = rule.slice(1);
    }
  }
  return { isOn, mayAll, isOpen, password };
}

const escapes: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", b: "\b", a: "\x07" };

/** Splits a line as the server does (`sdssplitargs`): quotes, and escapes inside double quotes. */
function splitWords(line: string): string[] {
  const pattern = /"((?:\\.|[^"\\])*)"|'((?:\\'|[^'])*)'|(\S+)/g;
  return [...line.matchAll(pattern)].map(([, double, single, plain]) => {
    if (single !== undefined) return single.replaceAll("\\'", "'");
    if (double === undefined) return plain ?? "";
    return double.replace(
      /\\(?:x([0-9a-fA-F]{2})|(.))/g,
      (_, hex: string | undefined, char: string) =>
        hex === undefined ? (escapes[char] ?? char) : String.fromCharCode(Number.parseInt(hex, 16)),
    );
  });
}
