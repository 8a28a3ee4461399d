import type { ContainerState, DiscoveredStore } from "../model/stack.ts";

/** Variables with such a name hold secrets. */
export const secretName = /PASS(WORD|WD)?$|PASSWORD|SECRET|TOKEN|API_?KEY|PRIVATE_?KEY|CREDENTIAL/i;
/** Shorter values, such as `1`, `true` or a port, would mask half of the log. */
const shortestSecret = 5;

/**
 * Every secret in the environment of the stack's containers: values of variables with the name of a secret, passwords
 * in connection strings and URLs, and the passwords and keys of the stores.
 *
 * @returns longest first, so that masking one secret never leaves the rest of a longer one.
 */
export function findSecrets(
  containers: readonly Pick<ContainerState, "environment">[],
  stores: readonly DiscoveredStore[],
): string[] {
  const found = new Set<string>();
  const add = (value: string) => {
    if (value.length >= shortestSecret && !/^(true|false|\d+)$/.test(value)) found.add(value);
  };
  for (const { environment } of containers) {
    for (const [name, value] of Object.entries(environment)) {
      if (secretName.test(name) && !name.endsWith("_FILE")) add(value);
      for (const secret of embedded(value)) add(secret);
    }
  }
  for (const store of stores) {
    const { password, apiKey } = store as { readonly password?: string; readonly apiKey?: string };
    for (const secret of [password, apiKey]) if (secret) found.add(secret);
  }
  return [...found].sort((a, b) => b.length - a.length);
}

/** Passwords in `Host=...;Password=...` and in `amqp://user:password@host`, as written and decoded. */
function embedded(value: string): string[] {
  const pairs = [...value.matchAll(/(?:^|[;,])\s*(?:password|pwd)\s*=\s*([^;,]+)/gi)];
  const urls = [...value.matchAll(/[a-z][a-z0-9+.-]*:\/\/[^:/@\s]*:([^@/\s]+)@/gi)];
  return [...pairs, ...urls].flatMap(([, secret]) =>
    secret === undefined ? [] : [secret.trim(), decoded(secret)],
  );
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
