import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";

/** Files of `src/` that are not clean yet. The list only gets shorter. */
const later = [
  "core/reporter.ts",
  "operations/live-stack/recreate.ts",
  "operations/rehearse/choose-backup.ts",
  "operations/rehearse/log-noise.ts",
  "operations/manual/restore-qdrant.ts",
  "operations/session/session.ts",
  "operations/upgrade/require-rehearsal.ts",
  "operations/verify/boot-clone.ts",
  "report/comment.ts",
  "stack/compose.ts",
  "stack/discovery.ts",
  "stack/server.ts",
  "stack/server-kind.ts",
  "stores/stores.ts",
];

const declared =
  /^export (?:async )?(?:abstract )?(?:const|function\*?|class|interface|type) (\w+)/gm;
/** A file that is loaded later: all of it counts as used. */
const loaded = /\bimport\("(\.[^"]+)"\)/g;
const imported = /^(?:import|export) (?:type )?([^;"]*?) from "(\.[^"]+)";/gm;

/**
 * Exports of `src/` that no other file of `src/` and no script imports: they lose `export`, or are deleted. What only a
 * test imports is tested through what is public.
 */
export function unusedExports(root: string): string[] {
  const sources = files(join(root, "src"));
  const users = [...sources, ...files(join(root, "scripts")), ...files(join(root, "bench"))];
  const used = new Set(users.flatMap((path) => importsOf(path)));
  return sources
    .map((path) => ({ path, name: relative(join(root, "src"), path) }))
    .filter(({ name }) => !later.some((folder) => name === folder || name.startsWith(`${folder}/`)))
    .flatMap(({ path, name }) =>
      exportsOf(path)
        .filter((word) => !used.has(`${path} ${word}`) && !used.has(`${path} *`))
        .map((word) => `src/${name}: ${word} is exported, but no other file of src/ imports it`),
    );
}

function exportsOf(path: string): string[] {
  return [...readFileSync(path, "utf8").matchAll(declared)].map(([, name = ""]) => name);
}

/** `path name` of everything that a file imports from another one, `path *` for all of it. */
function importsOf(path: string): string[] {
  const text = readFileSync(path, "utf8");
  const whole = [...text.matchAll(loaded)].map(
    ([, from = ""]) => `${resolve(dirname(path), from)} *`,
  );
  const named = [...text.matchAll(imported)].flatMap(([, what = "", from = ""]) => {
    const target = resolve(dirname(path), from);
    const names = /\{([^}]*)\}/.exec(what)?.[1]?.split(",") ?? ["*"];
    return names
      .map(
        (name) =>
          name
            .trim()
            .replace(/^type /, "")
            .split(" as ")[0] ?? "",
      )
      .filter((name) => name !== "")
      .map((name) => `${target} ${name}`);
  });
  return [...whole, ...named];
}

function files(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join(folder, name));
}
