import { execFileSync } from "node:child_process";
import { chmod, mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { id, type Place } from "./place.ts";
import type { Kind, Row, Trial } from "./row.ts";

// A host at fault: programs that are missing or die, low limits, full disks, odd temporary directories. A good backup is
// never called damaged there, and nothing is called a bug.

const commands: Readonly<Record<string, (place: Place) => string[]>> = {
  verify: ({ key }) => ["verify", "--backup", id, "--identity", key],
  list: () => ["list"],
  ls: ({ key }) => ["ls", "--backup", id, "--identity", key],
  "restore --target": (place) => [
    ...["restore", "--backup", id, "--identity", place.key, "--allow-unsigned"],
    ...["--target", place.at("out/restored")],
  ],
  doctor: () => ["doctor"],
  recover: () => ["recover"],
  backup: () => ["backup", "--unencrypted"],
};

/** What each may end with where the host is at fault, or is not needed for it. */
const codes = [0, 2, 5];

function row(name: string, command: string, make: (place: Place) => Promise<Partial<Trial>>): Row {
  return {
    name: `${command}: ${name}`,
    expected: { code: codes },
    async make(place) {
      const { changes = [], ...given } = await make(place);
      return {
        args: [
          ...(commands[command] as (place: Place) => string[])(place),
          ...["--repository", place.repository, "--project-name", "sophon"],
        ],
        changes: ["repository/marks", "repository/holds", "out", ...changes],
        ...given,
      };
    },
  };
}

const stubs: Readonly<Record<string, string>> = {
  "ends with 127": "#!/bin/sh\nexit 127\n",
  "is killed": "#!/bin/sh\nkill -9 $$\n",
  "says that the disk is full":
    "#!/bin/sh\necho 'x: Cannot write: No space left on device' >&2\nexit 2\n",
  "is no program": "\u0000\u0001\u0002",
};

const programs: Row[] = ["tar", "docker"].flatMap((program) => [
  ...["verify", "ls", "restore --target", "doctor", "recover", "backup"].map((command) =>
    row(`without ${program}`, command, async (place) => {
      await mkdir(place.at("bin"));
      for (const other of ["sh", "cat", "stat", "sync", "rmdir", "tar", "docker"]) {
        if (other !== program) await symlink(`/usr/bin/${other}`, place.at(`bin/${other}`));
      }
      return { before: `PATH=${place.at("bin")}; export PATH` };
    }),
  ),
  ...Object.entries(stubs).flatMap(([what, script]) =>
    ["verify", "restore --target", "recover"].map((command) =>
      row(`${program} ${what}`, command, async (place) => {
        await mkdir(place.at("bin"));
        await writeFile(place.at(`bin/${program}`), script);
        await chmod(place.at(`bin/${program}`), 0o755);
        return { before: `PATH=${place.at("bin")}:$PATH; export PATH` };
      }),
    ),
  ),
]);

const limits: Row[] = [
  "ulimit -n 24",
  "ulimit -n 32",
  "ulimit -n 40",
  "ulimit -f 0",
  "ulimit -f 1",
].flatMap((limit) =>
  ["verify", "list", "ls", "restore --target"].map((command) =>
    row(limit, command, async () => ({ before: limit })),
  ),
);

const temporary: Readonly<Record<string, (path: string) => unknown>> = {
  "is missing": () => undefined,
  "is a file": (path) => writeFile(path, ""),
  "is a link to itself": (path) => symlink(path, path),
  "is a device": (path) => symlink("/dev/null", path),
};

const directories: Row[] = Object.entries(temporary).flatMap(([what, make]) =>
  ["verify", "restore --target", "backup"].map((command) =>
    row(`TMPDIR ${what}`, command, async (place) => {
      await make(place.at("odd"));
      return { env: { TMPDIR: place.at("odd") } };
    }),
  ),
);

const disks: Row[] = [
  ["TMPDIR", "size=16k", "full"],
  ["TMPDIR", "ro", "read-only"],
  ["out", "size=16k", "full"],
  ["out", "ro", "read-only"],
].flatMap(([where = "", options = "", what = ""]) =>
  ["verify", "restore --target"].map((command) =>
    row(`${where} is on a ${what} disk`, command, async (place) => {
      const at = place.at(where === "TMPDIR" ? "odd" : "out");
      await mkdir(at, { recursive: true });
      execFileSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", at]);
      return {
        ...(where === "TMPDIR" ? { env: { TMPDIR: at } } : {}),
        changes: ["odd"],
        async undo() {
          execFileSync("umount", ["--lazy", at]);
          await rm(at, { recursive: true, force: true });
        },
      };
    }),
  ),
);

const needsRoot = () => (process.getuid?.() === 0 ? undefined : "it mounts disks, as root");

export const faultyHosts: Kind = {
  name: "a host at fault",
  rows: [...programs, ...limits, ...directories],
};

export const faultyDisks: Kind = { name: "disks at fault", rows: disks, missing: needsRoot };
