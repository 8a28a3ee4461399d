import { readFileSync, writeFileSync } from "node:fs";

// A registry that does not carry the binaries of other platforms leaves their optional packages out
// of the lock file, and `npm ci` then refuses it. This adds them by version and platform, so that
// the lock file means the same wherever it was written. Run after every `npm install`.
//
// It also takes out which Node each package asks for: all of them run under the Node that npm brings along here, and
// npm would print a screen of warnings for an older one of the machine, which only starts `npm ci` itself.

type Entry = {
  version: string;
  optional?: boolean;
  dev?: boolean;
  os?: string[];
  cpu?: string[];
  optionalDependencies?: Record<string, string>;
  engines?: unknown;
};

const file = "package-lock.json";
const lock = JSON.parse(readFileSync(file, "utf8")) as { packages: Record<string, Entry> };
const systems = ["android", "darwin", "freebsd", "linux", "openharmony", "win32"];
const processors = ["arm64", "arm", "x64", "ia32", "ppc64", "riscv64", "s390x", "wasm32"];
let added = 0;
for (const [path, entry] of Object.entries(lock.packages)) {
  if (path === "") continue;
  delete entry.engines;
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const words = name.split(/[-/]/);
    const os = systems.find((system) => words.includes(system));
    const cpu = processors.find((processor) => words.includes(processor));
    const known =
      lock.packages[`node_modules/${name}`] ?? lock.packages[`${path}/node_modules/${name}`];
    if (known !== undefined || (os === undefined && cpu === undefined)) continue;
    if (!/^\d/.test(version)) continue;
    lock.packages[`node_modules/${name}`] = {
      version,
      ...(entry.dev === true ? { dev: true } : {}),
      optional: true,
      ...(os === undefined ? {} : { os: [os] }),
      ...(cpu === undefined ? {} : { cpu: [cpu] }),
    };
    added += 1;
  }
}
lock.packages = Object.fromEntries(
  Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)),
);
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
process.stdout.write(`${added} packages of other platforms added to ${file}\n`);
