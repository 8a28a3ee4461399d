import type { ComposeModel, ComposeService } from "../model/stack.ts";
import type { ContainerFacts } from "./container-facts.ts";
import type { Expected, Property, Rule } from "./definition-property.ts";
import { bytesOf, mapOf } from "./definition-values.ts";

/** A mount in one form. */
interface Seen {
  readonly type: string;
  readonly source?: string | undefined;
  readonly read_only: boolean;
  readonly subpath?: string;
}

/** Mounts by their place in the container, with files of `secrets` and `configs`, and memory of `tmpfs`. */
export const mountRule: Rule = {
  keys: ["volumes", "tmpfs", "secrets", "configs", "volumes_from", "use_api_socket"],
  read: (expected, facts) => {
    const { service, model } = expected;
    const wanted = new Map([
      ...memoryOf(service),
      ...mountsOf(service, model),
      ...filesOf(expected),
    ]);
    const actual = actualMounts(facts);
    // These bring mounts of their own.
    const isOpen = service.volumes_from !== undefined || service.use_api_socket !== undefined;
    const ofImage = new Set(Object.keys(facts.image?.Volumes ?? {}).map(trimmed));
    const targets = new Set([...wanted.keys(), ...actual.keys()]);
    return [...targets].flatMap((target): Property[] => {
      const [wants, has] = [wanted.get(target), actual.get(target)];
      if (wants === undefined) {
        const isExpected = isOpen || (has?.type === "volume" && ofImage.has(target));
        if (isExpected || (facts.image === undefined && has?.type === "volume")) return [];
      }
      if (wants !== undefined && has !== undefined && isSame(wants, has, expected)) return [];
      return [{ path: `volumes.${target}`, wanted: wants, actual: has }];
    });
  },
};

function isSame(wants: Seen, has: Seen, { samePlace }: Expected): boolean {
  if (wants.type !== has.type || wants.read_only !== has.read_only) return false;
  if ((wants.subpath ?? "") !== (has.subpath ?? "")) return false;
  // An anonymous volume has a name that no file knows.
  if (wants.source === undefined) return true;
  if (wants.type === "bind") return samePlace(wants.source, has.source ?? "");
  return wants.source === has.source;
}

function trimmed(path: string): string {
  return path.length > 1 ? path.replace(/\/+$/, "") : path;
}

function memoryOf({ tmpfs }: ComposeService): [string, Seen][] {
  const all = (Array.isArray(tmpfs) ? tmpfs : tmpfs === undefined ? [] : [tmpfs]) as string[];
  return all.map((line) => {
    const [target = "", options = ""] = String(line).split(/:(.*)/);
    return [trimmed(target), memory(options)];
  });
}

function memory(options: string): Seen {
  const size = options.split(",").find((option) => option.startsWith("size="));
  const isReadOnly = options.split(",").includes("ro");
  const source = size === undefined ? undefined : String(bytesOf(size.slice("size=".length)));
  return { type: "tmpfs", source, read_only: isReadOnly };
}

function mountsOf({ volumes }: ComposeService, model: ComposeModel): [string, Seen][] {
  return (volumes ?? []).map((mount) => {
    const { type, target, source, read_only: isReadOnly } = mount;
    const seen = { type, read_only: isReadOnly === true };
    const place = trimmed(target);
    if (type === "tmpfs") {
      const { size } = (mount.tmpfs ?? {}) as { size?: unknown };
      const bytes = bytesOf(size);
      return [place, { ...seen, source: bytes === 0 ? undefined : String(bytes) }];
    }
    if (type !== "volume") return [place, { ...seen, source }];
    const { subpath } = (mount.volume ?? {}) as { subpath?: string };
    const name = source === undefined ? undefined : (model.volumes?.[source]?.name ?? source);
    return [
      place,
      {
        ...seen,
        ...(name === undefined ? {} : { source: String(name) }),
        ...(subpath === undefined ? {} : { subpath }),
      },
    ];
  });
}

/** Only files are mounted: Compose copies the content of the others into the container. */
function filesOf({ service, model }: Expected): [string, Seen][] {
  return (["secrets", "configs"] as const).flatMap((kind) => {
    const given = (service[kind] ?? []) as readonly { source: string; target?: string }[];
    return given.flatMap(({ source, target = source }): [string, Seen][] => {
      const file = model[kind]?.[source]?.file;
      if (typeof file !== "string") return [];
      const directory = kind === "secrets" ? "/run/secrets/" : "/";
      const place = target.startsWith("/") ? target : `${directory}${target}`;
      return [[place, { type: "bind", source: file, read_only: true }]];
    });
  });
}

function actualMounts({ info }: ContainerFacts): Map<string, Seen> {
  const { Tmpfs: tmpfs, Mounts: given } = info.HostConfig;
  const more = new Map((given ?? []).map((one) => [one.Target, one]));
  const all = new Map<string, Seen>();
  for (const { Type, Name, Source, Destination, RW } of info.Mounts) {
    const target = trimmed(Destination);
    const { VolumeOptions: volume, TmpfsOptions: options } = (more.get(Destination) ?? {}) as {
      VolumeOptions?: { Subpath?: string };
      TmpfsOptions?: { SizeBytes?: number };
    };
    const size = options?.SizeBytes;
    const source =
      Type === "volume" ? Name : Type === "tmpfs" ? (size ? String(size) : undefined) : Source;
    const subpath = volume?.Subpath;
    all.set(target, {
      ...{ type: String(Type), source, read_only: !RW },
      ...(subpath ? { subpath } : {}),
    });
  }
  for (const [target, options] of Object.entries(mapOf(tmpfs)))
    all.set(trimmed(target), memory(options));
  return all;
}
