import { readdirSync } from "node:fs";
import { join } from "node:path";

/**
 * The layers: what each folder of `src/` may import, beside itself and its own subfolders. From bottom to top; a folder
 * never imports one that stands below it here. `npm run docs` writes the linter's rules from this table, and the check
 * fails for a folder without a row.
 */
const mayImport: Readonly<Record<string, string>> = {
  model: "",
  core: "model",
  options: "core",
  helper: "core model",
  repository: "core model",
  destinations: "core",
  notify: "core model options",
  report: "core model options notify",
  "log-scan": "core",
  "rollback-copy": "core",
  stack: "core model",
  "archive/age": "core archive/io",
  "archive/io": "core archive/age",
  "archive/zstd": "core archive/io",
  "archive/delta": "core archive/io",
  archive: "core",
  "archive/tar": "core archive archive/io",
  stores: "core model archive rollback-copy",
  "operations/session": "core model options stack repository destinations",
  "operations/live-stack": "core model options stack",
  "operations/backup":
    "core model options stack stores archive repository operations/session operations/live-stack",
  "operations/fill": "core model options stack stores archive operations/session",
  "operations/gate": "core model stack stores log-scan operations/session",
  "operations/clone": "core model stack stores operations/session operations/fill operations/gate",
  "operations/verify":
    "core model options stack stores archive repository log-scan operations/session operations/fill operations/gate operations/clone",
  "operations/browse": "core model options stores archive operations/session operations/verify",
  "operations/onboard": "core model options archive version operations/session",
  "operations/doctor":
    "core model options archive stack repository operations/session operations/backup operations/verify operations/off-host operations/upgrade",
  "operations/off-host":
    "core model options archive repository destinations operations/session operations/verify",
  "operations/history": "core model repository operations/session operations/off-host",
  "operations/restore":
    "core model options stack stores archive repository log-scan operations/session operations/live-stack operations/fill operations/backup operations/verify operations/browse",
  "operations/upgrade":
    "core model options stack stores repository log-scan rollback-copy operations/session operations/gate operations/live-stack operations/backup",
  "operations/rehearse":
    "core model options stack stores repository log-scan rollback-copy operations/session operations/fill operations/gate operations/clone operations/verify operations/upgrade",
  "operations/manual":
    "core model options stack stores archive version operations/session operations/fill operations/verify operations/restore operations/rehearse",
  commands: "core model options report stack stores repository log-scan operations",
  action: "core model options report destinations version operations/session",
  cli: "core model options report helper version operations/session",
  wiring: "core model options stack stores rollback-copy helper operations commands cli",
  entries: "action wiring",
};

/** Files directly in `src/` that others may import, and the entries, which nobody imports. */
const single: Readonly<Record<string, readonly string[]>> = {
  version: ["version"],
  entries: ["main", "post", "cli"],
};

const fences: Readonly<Record<string, { readonly message: string; readonly except: string }>> = {
  dockerode: { message: "Only src/stack talks to the engine.", except: "stack" },
  "@actions/core": { message: "Only src/action talks to the runner.", except: "action" },
  "@aws-sdk/client-s3": {
    message: "Only src/destinations talks to buckets.",
    except: "destinations",
  },
  "@actions/artifact": {
    message: "Only src/destinations talks to the artifact service.",
    except: "destinations",
  },
  "node:child_process": {
    message: "Only src/core/exec.ts starts programs.",
    except: "core/exec.ts",
  },
};

/** Single files that stand outside of a fence. */
const excepted = Object.values(fences).flatMap(({ except }) =>
  except.endsWith(".ts") ? [except] : [],
);

/** The table as people read it, for CONTRIBUTING.md. */
export function layerTable(): string {
  const rows = Object.entries(mayImport).map(([folder, allowed]) => {
    const names = allowed.split(" ").filter((name) => name !== "");
    return `| ${nameOf(folder)} | ${names.length === 0 ? "nothing" : names.map((name) => `\`${name}\``).join(" ")} |`;
  });
  return ["| folder | may import |", "| --- | --- |", ...rows].join("\n");
}

/** Folders of `src/` that have no row, files in a folder that only has rows for its subfolders, and stale rows. */
export function layerProblems(root: string): string[] {
  const rows = Object.keys(mayImport).filter((name) => name !== "entries");
  const parents = new Set(rows.flatMap((name) => name.split("/").slice(0, -1)));
  const top = folders(join(root, "src"));
  const nested = [...parents].flatMap((name) =>
    folders(join(root, "src", name)).map((inner) => `${name}/${inner}`),
  );
  const present = [...top, ...nested];
  const needsRow = (name: string) =>
    !rows.includes(name) && (!parents.has(name) || files(join(root, "src", name)).length > 0);
  return [
    ...present
      .filter(needsRow)
      .map((name) => `src/${name} has no row in scripts/layers.ts: say what it may import`),
    ...rows
      .filter((name) => !present.includes(name))
      .map((name) => `scripts/layers.ts has a row for src/${name}, which does not exist`),
  ];
}

/** `biome.layers.json`: one override a folder, in an order in which the more special comes last. */
export function layerLint(): string {
  const overrides = Object.keys(mayImport).flatMap((folder) => [
    override(folder === "entries" ? "src/*.ts" : `src/${folder}/**`, folder),
    ...excepted
      .filter((file) => file.startsWith(`${folder}/`))
      .map((file) => override(`src/${file}`, folder, file)),
  ]);
  return `${JSON.stringify({ overrides }, undefined, 2)}\n`;
}

/** The rules for the files of a folder, or for one of them that stands outside of a fence. */
function override(includes: string, folder: string, file?: string) {
  const options = { paths: fencedOff(folder, file), patterns: denied(folder) };
  const noRestrictedImports = { level: "error", options };
  return { includes: [includes], linter: { rules: { style: { noRestrictedImports } } } };
}

function fencedOff(folder: string, file: string | undefined): Record<string, string> {
  return Object.fromEntries(
    Object.entries(fences)
      .filter(([, { except }]) => except !== folder && except !== file)
      .map(([name, { message }]) => [name, message]),
  );
}

function denied(folder: string): { group: string[]; message: string }[] {
  const allowed = (mayImport[folder] ?? "").split(" ");
  const isAllowed = (name: string) =>
    name === folder ||
    allowed.some((given) => given === name || name.startsWith(`${given}/`)) ||
    name.startsWith(`${folder}/`);
  const names = [...Object.keys(mayImport), ...Object.keys(single)];
  const group = [...new Set(names)]
    .filter((name) => !isAllowed(name))
    .flatMap((name) => globs(name, folder));
  const message = `${nameOf(folder)} may import only: ${allowed.join(", ") || "nothing"} (scripts/layers.ts).`;
  return group.length === 0 ? [] : [{ group, message }];
}

/** How an import of a folder looks from another one: the rooms have names of their own. */
function globs(name: string, from: string): string[] {
  const files = single[name];
  if (files !== undefined) return files.map((file) => `**/${file}.ts`);
  // Seen from inside `archive/`, its own files are `../name.ts` and cannot be told from others.
  const inner = name.split("/").at(-1) ?? name;
  return from.startsWith(`${name}/`) ? [] : [`**/${inner}/**`];
}

function nameOf(folder: string): string {
  return folder === "entries" ? "`src/*.ts`" : `\`src/${folder}\``;
}

function folders(path: string): string[] {
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name);
}

function files(path: string): string[] {
  return readdirSync(path).filter((name) => name.endsWith(".ts"));
}
