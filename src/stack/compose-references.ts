import { parse } from "yaml";

/** A file that a compose file tells Compose to read. */
interface ComposeReference {
  /** `include`, `extends` or `env_file`. */
  readonly key: string;
  /** As written in the file. */
  readonly path: string;
}

/**
 * The files that a compose file makes Compose read: `include`, `extends`, `env_file`. Files that only a container
 * mounts are not among them.
 *
 * @throws Error when the text is not YAML.
 */
export function composeReferences(text: string): ComposeReference[] {
  const file = parse(text, { merge: true, logLevel: "silent", uniqueKeys: false }) as unknown;
  if (!isMap(file)) return [];
  const found: ComposeReference[] = [];
  const add = (key: string, value: unknown) => {
    for (const path of pathsIn(value)) found.push({ key, path });
  };
  for (const one of listOf(file.include)) {
    add("include", isMap(one) ? one.path : one);
    if (isMap(one)) add("include", one.env_file);
    if (isMap(one)) add("include", one.project_directory);
  }
  for (const service of isMap(file.services) ? Object.values(file.services) : []) {
    if (!isMap(service)) continue;
    if (isMap(service.extends)) add("extends", service.extends.file);
    add("env_file", service.env_file);
    add("label_file", service.label_file);
  }
  return found;
}

function pathsIn(value: unknown): string[] {
  return listOf(value).flatMap((one) => {
    const path = isMap(one) ? one.path : one;
    return typeof path === "string" ? [path] : [];
  });
}

function listOf(value: unknown): readonly unknown[] {
  if (value === undefined || value === null) return [];
  return Array.isArray(value) ? value : [value];
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
