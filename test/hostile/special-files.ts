import { execFileSync } from "node:child_process";
import { mkdir, rm, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { id, type Place, plainId } from "./place.ts";
import type { Expected, Kind, Row } from "./row.ts";

// What is no file, or has no end, in the place of every file and directory of a repository, for every command.

const things: Readonly<Record<string, (path: string) => unknown>> = {
  "a pipe": (path) => execFileSync("mkfifo", [path]),
  "a link to /dev/zero": (path) => symlink("/dev/zero", path),
  "a link to itself": (path) => symlink(path, path),
  "3 GB of zeros": (path) => execFileSync("truncate", ["--size=3G", path]),
  "a directory": (path) => mkdir(path),
  "a socket": (path) =>
    execFileSync("python3", [
      "-c",
      `import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])`,
      path,
    ]),
};

/** `side`: a backup is good without it. `journal`: only what changes the stack reads it. */
type Role = "content" | "signature" | "index" | "side" | "journal";

/** Every path of a repository, and whether a backup is good without it. */
const places: readonly (readonly [path: string, role: Role])[] = [
  [`backups/${id}/manifest.json`, "content"],
  [`backups/${id}/manifest.json.age`, "content"],
  [`backups/${id}/data.tar.zst.age`, "content"],
  [`backups/${id}/manifest.json.sig`, "signature"],
  [`backups/${id}`, "index"],
  ["backups", "index"],
  [`marks/${id}.json`, "side"],
  ["marks", "side"],
  ["operations", "journal"],
  [`operations/${id}.jsonl`, "journal"],
  ["holds", "side"],
  ["holds/verify-1.json", "side"],
  ["history.jsonl", "side"],
  ["index", "side"],
  ["clear", "side"],
  ["incoming", "side"],
  [`failed/${id}`, "side"],
  [`rehearsals/${id}.json`, "side"],
  ["upgrades", "side"],
];

const commands: Readonly<Record<string, (place: Place) => string[]>> = {
  list: () => ["list"],
  verify: ({ key }) => ["verify", "--backup", id, "--identity", key],
  ls: ({ key }) => ["ls", "--backup", id, "--identity", key],
  "restore --target": (place) => [
    ...["restore", "--backup", id, "--identity", place.key, "--allow-unsigned"],
    ...["--target", place.at("out/restored")],
  ],
  "prune --dry-run": () => ["prune", "--dry-run", "--keep-last", "1"],
  prune: () => ["prune", "--keep-last", "1"],
  recover: () => ["recover"],
  report: (place) => ["report", "--report-path", place.at("out/page.html")],
  find: ({ key }) => ["find", "--path", "vault.key", "--identity", key],
  diff: ({ key }) => ["diff", "--backup", plainId, "--against", id, "--identity", key],
  doctor: () => ["doctor"],
  undo: () => ["undo"],
  backup: () => ["backup", "--unencrypted"],
  upload: () => [
    ...["upload", "--backup", id, "--upload-to", "s3://bucket/x", "--upload-endpoint"],
    ...["http://127.0.0.1:9", "--upload-path-style", "--upload-retry", "0"],
  ],
};

const needsEngine = ["prune", "recover", "doctor", "undo", "backup"];
/** Read no content of a backup, or say which one they could not read. */
const lookOnly = [
  "list",
  "prune",
  "prune --dry-run",
  "recover",
  "report",
  "find",
  "doctor",
  "undo",
];

/** What each command may end with: never a good word about what is not good. */
function expected(command: string, role: Role): Expected {
  const refused = [2, 3, 4, 5, 7];
  if (lookOnly.includes(command)) return { code: [0, ...refused] };
  const isRead =
    role === "content" ||
    role === "index" ||
    (role === "signature" && command !== "ls" && command !== "diff");
  return { code: isRead ? refused : [0, ...refused] };
}

export const specialFiles: Kind = {
  name: "special files in a repository",
  rows: Object.keys(commands).flatMap((command) =>
    places.flatMap(([path, role]) =>
      Object.keys(things)
        .filter((thing) => isWorthwhile(thing, path, command))
        .map((thing) => row(command, path, role, thing)),
    ),
  ),
};

/** A quarter of the table: each thing is in each place, and meets each command. */
function isWorthwhile(thing: string, path: string, command: string): boolean {
  if (thing === "a directory" && !/\.(json|age|sig|jsonl)$/.test(path)) return false;
  const at = [
    Object.keys(things).indexOf(thing),
    places.findIndex(([one]) => one === path),
    Object.keys(commands).indexOf(command),
  ].reduce((sum, index) => sum + index, 0);
  return process.env.HOSTILE_ALL === "1" || at % 3 === 0;
}

function row(command: string, path: string, role: Role, thing: string): Row {
  return {
    name: `${command}: ${thing} as ${path.replace(id, "ID")}`,
    expected: expected(command, role),
    async make(place) {
      const at = join(place.repository, path);
      await rm(at, { recursive: true, force: true });
      await mkdir(dirname(at), { recursive: true, mode: 0o700 });
      await things[thing]?.(at);
      const env = { DOCKER_HOST: `unix://${place.original.engine}` };
      return {
        args: [
          ...(commands[command] as (place: Place) => string[])(place),
          ...["--repository", place.repository, "--project-name", "sophon"],
        ],
        changes: [
          "repository/marks",
          "repository/holds",
          "out",
          "repository/operations",
          ...(path.startsWith("upgrades") ? ["repository/upgrades"] : []),
          ...(path === "clear" || path === "incoming" ? [`repository/${path}`] : []),
          ...(command === "prune" ? ["repository/backups"] : []),
        ],
        ...(needsEngine.includes(command) ? { env } : {}),
      };
    },
  };
}
