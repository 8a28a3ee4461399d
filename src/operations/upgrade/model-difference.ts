import { createHash } from "node:crypto";
import type { ComposeModel, ComposeService, ContainerState } from "../../model/stack.ts";

const shownLength = 60;

/** The model with every secret replaced by a mark derived from the secret, so that it can be stored and shown. */
export function withoutSecrets(model: ComposeModel, secrets: readonly string[]): ComposeModel {
  const marks = secrets.map((secret) => {
    const hash = createHash("sha256").update(model.name).update(secret).digest("hex");
    return [secret, `***${hash.slice(0, 8)}`] as const;
  });
  const masked = (text: string) =>
    marks.reduce((current, [secret, mark]) => current.replaceAll(secret, mark), text);
  return JSON.parse(JSON.stringify(model), (_key, value: unknown) =>
    typeof value === "string" ? masked(value) : value,
  ) as ComposeModel;
}

/**
 * The differences between two definitions of a service except its image, each as `path: before -> after`. Both must be
 * without secrets.
 */
export function serviceDifferences(
  before: ComposeService | undefined,
  after: ComposeService | undefined,
): string[] {
  const { image: _was, ...old } = before ?? {};
  const { image: _is, ...now } = after ?? {};
  return differences(old, now, "");
}

/** The same if only the running container is known: compares the settings that a container shows. */
export function containerDifferences(
  service: ComposeService | undefined,
  container: Pick<ContainerState, "environment" | "mounts" | "restartPolicy" | "hostname">,
): string[] {
  const found: string[] = [];
  for (const [name, value] of Object.entries(service?.environment ?? {})) {
    // Report only the name: the values may be secrets.
    if ((value ?? "") !== (container.environment[name] ?? "")) found.push(`environment.${name}`);
  }
  const wanted = new Set((service?.volumes ?? []).map(({ target }) => target));
  const mounted = new Set(container.mounts.map(({ target }) => target));
  for (const target of wanted.difference(mounted)) found.push(`volumes: ${target} is new`);
  const { restart, hostname } = service ?? {};
  const policy = container.restartPolicy;
  if (typeof restart === "string" && restart !== policy)
    found.push(`restart: ${policy} -> ${restart}`);
  if (typeof hostname === "string" && hostname !== container.hostname) {
    found.push(`hostname: ${container.hostname} -> ${hostname}`);
  }
  return found;
}

function differences(before: unknown, after: unknown, path: string): string[] {
  if (isObject(before) && isObject(after)) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
    return keys.flatMap((key) =>
      differences(before[key], after[key], path === "" ? key : `${path}.${key}`),
    );
  }
  if (JSON.stringify(before) === JSON.stringify(after)) return [];
  return [`${path}: ${shown(before)} -> ${shown(after)}`];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function shown(value: unknown): string {
  const text = value === undefined ? "nothing" : JSON.stringify(value);
  return text.length > shownLength ? `${text.slice(0, shownLength)}…` : text;
}
