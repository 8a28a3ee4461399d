import { defined, line } from "./clone-parts.ts";
import type { ScratchRequest } from "./scratch-request.ts";
import { type ComposeModel, type ComposeService, cleanSource } from "./stack.ts";

type MountEntry = NonNullable<ComposeService["volumes"]>[number];

/**
 * The mounts of a service in a clone: fresh volumes, and read-only copies of files, secrets and configs. `missing` has
 * one line for each that the backup does not contain.
 *
 * @param used - the fresh volumes so far, by the place that each stands for; added to
 */
export function mountsOf(
  service: ComposeService,
  request: ScratchRequest,
  used: Record<string, string>,
): { readonly mounts: readonly MountEntry[]; readonly missing: readonly string[] } {
  const missing: string[] = [];
  const mounts = (service.volumes ?? []).flatMap((mount) =>
    scratchMount(mount, request, used, missing),
  );
  const granted = [...grants(service, "secrets", request), ...grants(service, "configs", request)];
  for (const { mount, missing: text } of granted) {
    if (text !== undefined) missing.push(text);
    if (mount !== undefined) mounts.push(mount);
  }
  return { mounts, missing };
}

function scratchMount(
  mount: MountEntry,
  request: ScratchRequest,
  used: Record<string, string>,
  missing: string[],
): MountEntry[] {
  const { type, target } = mount;
  if (type === "tmpfs") return [defined({ type, target, tmpfs: mount.tmpfs }) as MountEntry];
  const source = sourceOf(mount, request.model);
  if (source === undefined) return type === "volume" ? [{ type, target }] : [];
  const readOnly = mount.read_only === true ? { read_only: true } : {};
  const own = request.ownFiles?.[source];
  if (own !== undefined) return [{ type: "bind", source: own, target, ...readOnly }];
  const store =
    request.stores.find((place) => samePlace(place, source)) ?? storeAround(source, request);
  if (store !== undefined) {
    used[store] ??= `${request.project}_${Object.keys(used).length}`;
    const subpath = subpathOf(mount, source, store);
    const part = subpath === undefined ? {} : { volume: { subpath } };
    return [{ type: "volume", source: used[store], target, ...readOnly, ...part }];
  }
  const copy = type === "bind" ? copyOf(source, request.files) : undefined;
  if (copy !== undefined) return [{ type: "bind", source: copy, target, read_only: true }];
  if (type === "volume") {
    // Not in the backup, such as one that was excluded: empty, and its own.
    used[source] ??= `${request.project}_${Object.keys(used).length}`;
    missing.push(line("volumes", source, "its content is not in the backup: it is empty"));
    return [{ type: "volume", source: used[source], target }];
  }
  missing.push(line("volumes", `${source}:${target}`, "it is not in the backup"));
  return [];
}

/** The store that contains a path of the host. What is mounted there is a part of it, seen by several services. */
function storeAround(source: string, { stores, holes = [] }: ScratchRequest): string | undefined {
  const isIn = (directory: string) => source === directory || source.startsWith(`${directory}/`);
  return holes.some(isIn)
    ? undefined
    : stores.find((place) => place.startsWith("/") && isIn(place));
}

/** The part of a store that is mounted: a path inside the store's directory, or the stack's own subpath of a volume. */
function subpathOf(mount: MountEntry, source: string, store: string): string | undefined {
  if (mount.type === "bind" && source.startsWith(`${store}/`)) {
    return source.slice(store.length + 1);
  }
  const { subpath } = (mount.volume ?? {}) as { readonly subpath?: unknown };
  return typeof subpath === "string" && subpath !== "" ? subpath : undefined;
}

/** The real name of a volume, or the path on the host. */
function sourceOf(mount: MountEntry, model: ComposeModel): string | undefined {
  if (mount.source === undefined || mount.source === "") return undefined;
  if (mount.type !== "volume") return cleanSource(mount.source);
  const name = model.volumes?.[mount.source]?.name;
  return typeof name === "string" ? name : mount.source;
}

/** The copy of a path, or of what is in a directory that was copied as a whole. */
function copyOf(path: string, files: ScratchRequest["files"]): string | undefined {
  const root = Object.keys(files).find((known) => path === known || path.startsWith(`${known}/`));
  return root === undefined ? undefined : `${files[root]}${path.slice(root.length)}`;
}

/** A volume is told by its name, or by the directory that it has on the host. */
function samePlace(place: string, source: string): boolean {
  if (place === source) return true;
  return !source.startsWith("/") && place.endsWith(`/volumes/${source}/_data`);
}

function grants(
  definition: ComposeService,
  kind: "secrets" | "configs",
  { model, files }: ScratchRequest,
): { mount?: MountEntry; missing?: string }[] {
  const given = definition[kind] as
    | readonly { readonly source: string; readonly target?: string }[]
    | undefined;
  return (given ?? []).map(({ source, target }) => {
    const file = model[kind]?.[source]?.file;
    const copy = typeof file === "string" ? copyOf(file, files) : undefined;
    if (copy === undefined)
      return { missing: line(kind, source, "its content is not in the backup") };
    const place = target ?? source;
    const directory = kind === "secrets" ? "/run/secrets/" : "/";
    const path = place.startsWith("/") ? place : `${directory}${place}`;
    return { mount: { type: "bind", source: copy, target: path, read_only: true } };
  });
}
