import { realPath } from "../core/real-path.ts";
import { within } from "./shared.ts";

/** A path on the host, and the services that use it. */
interface Overlapping {
  readonly mount: { readonly source: string; readonly volume?: string };
  readonly services: readonly string[];
}

/** Whether one path is inside another one, and is not the same. */
export function isInside(path: string, directory: string): boolean {
  return path !== directory && contains(directory, path);
}

/**
 * Merges places that overlap: of a directory, and a directory or file inside it, only the outermost stays, with the
 * services of all. Of one path that is mounted both as a volume and by its path, the volume stays. A path through a
 * symbolic link is the one that it leads to.
 */
export function outermost<P extends Overlapping>(places: readonly P[]): P[] {
  const kept: P[] = [];
  const real = new Map(places.map(({ mount: { source } }) => [source, realPath(source)]));
  const realOf = ({ mount }: P) => real.get(mount.source) ?? "";
  const isVolume = ({ mount }: P) => (mount.volume === undefined ? 1 : 0);
  const order = places.toSorted(
    (a, b) => realOf(a).length - realOf(b).length || isVolume(a) - isVolume(b),
  );
  for (const place of order) {
    const { source } = place.mount;
    // The volume of a driver that is not mounted has no path.
    const at = source === "" ? -1 : kept.findIndex((one) => contains(realOf(one), realOf(place)));
    const outer = kept[at];
    if (outer === undefined) kept.push(place);
    else kept[at] = { ...outer, services: [...new Set([...outer.services, ...place.services])] };
  }
  const sources = places.map(({ mount }) => mount.source);
  return kept.toSorted((a, b) => sources.indexOf(a.mount.source) - sources.indexOf(b.mount.source));
}

function contains(directory: string, path: string): boolean {
  return directory !== "" && within(path, directory);
}
