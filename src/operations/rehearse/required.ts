import type { ComposeModel, ComposeService } from "../../model/stack.ts";
import type { Engine } from "../../stack/engine.ts";
import { inspectImage } from "../../stack/images.ts";
import type { WatchVerdict } from "../gate/watch.ts";
import { newlyDeclared, type Required } from "./newly-declared.ts";
import type { RehearsedImages } from "./rehearsed-images.ts";

/** The variables that a log names as the reason why its program does not start, unless the definition sets them. Pure. */
export function missedVariables(
  logs: WatchVerdict["logs"],
  given: Readonly<Record<string, ComposeService>>,
): string[] {
  const set = new Set(
    Object.values(given).flatMap(({ environment = {} }) => Object.keys(environment)),
  );
  const lines = Object.values(logs).flatMap(({ decisive }) =>
    decisive?.class === "config" ? [decisive.evidence] : [],
  );
  const names = lines.flatMap((line) => line.match(/\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b/g) ?? []);
  return [...new Set(names)].filter((name) => !set.has(name));
}

/** What the new images declare beyond the old ones. */
export async function declaredByImages(
  engine: Engine,
  images: RehearsedImages,
  ids: Readonly<Record<string, string>>,
  { services }: ComposeModel,
): Promise<Required> {
  const all = await Promise.all(
    Object.entries(ids).map(async ([service, id]) => {
      const before = await inspectImage(engine, images[service]?.fromId ?? "");
      const after = await inspectImage(engine, id);
      if (before === undefined || after === undefined) return { environment: [], volumes: [] };
      return newlyDeclared(before, after, services[service] ?? {});
    }),
  );
  return {
    environment: [...new Set(all.flatMap(({ environment }) => environment))],
    volumes: [...new Set(all.flatMap(({ volumes }) => volumes))],
  };
}
