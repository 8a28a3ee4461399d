import { describe, expect, it } from "vitest";
import {
  judgeBackups,
  judgeContainers,
  judgeDisks,
  judgeFileSystem,
  judgeKeysAtHand,
  judgeNode,
  judgeOffHost,
  judgeOpenPorts,
  judgeReflinks,
  judgeRoom,
  judgeSocket,
  judgeTar,
  judgeTools,
} from "../../../src/operations/doctor/findings.ts";

type KnownBackup = Parameters<typeof judgeBackups>[0][number];

const hour = 3_600_000;
const now = Date.UTC(2026, 10, 22);
const backup = (given: Partial<KnownBackup> = {}): KnownBackup => ({
  ...{ id: "demo-1", createdAtMs: now - 8 * hour, level: "restore", isEncrypted: true },
  problem: undefined,
  ...given,
});
const words = (backups: readonly KnownBackup[]) =>
  judgeBackups(backups, now).map(({ name, status }) => `${name} ${status}`);

describe("backups", () => {
  it.each([
    ["a young one, tested", [backup()], ["newest backup pass", "verified pass"]],
    ["none", [], ["newest backup fail"]],
    [
      "an old one",
      [backup({ createdAtMs: now - 72 * hour })],
      ["newest backup fail", "verified pass"],
    ],
    [
      "in the clear",
      [backup({ isEncrypted: false })],
      ["newest backup pass", "encryption warn", "verified pass"],
    ],
    ["never verified", [backup({ level: null })], ["newest backup pass", "verified warn"]],
    ["only read", [backup({ level: "contents" })], ["newest backup pass", "verified warn"]],
    [
      "tested in a restore more than a week ago, and only read since",
      [backup({ level: "contents" }), backup({ id: "demo-0", createdAtMs: now - 9 * 24 * hour })],
      ["newest backup pass", "verified warn"],
    ],
    ["from the future", [backup({ createdAtMs: now + 72 * hour })], ["newest backup fail"]],
    [
      "a damaged one above a good one",
      [backup({ problem: "data.tar is missing" }), backup({ id: "demo-0" })],
      ["backup fail", "newest backup pass", "verified pass"],
    ],
    ["only a damaged one", [backup({ problem: "cut" })], ["backup fail", "newest backup fail"]],
  ])("%s", (_, backups, expected) => {
    expect(words(backups)).toEqual(expected);
  });
});

it.each([
  ["v24.1.0", "pass"],
  ["v20.19.0", "fail"],
])("node %s: %s", (version, status) => {
  expect(judgeNode(version).status).toBe(status);
});

it.each([
  ["tar (GNU tar) 1.34", "pass"],
  ["bsdtar 3.6.2 - libarchive", "fail"],
  [undefined, "fail"],
])("tar %s: %s", (line, status) => {
  expect(judgeTar(line).status).toBe(status);
});

it.each([
  ["ext2/ext3", "pass"],
  ["nfs", "warn"],
  ["smb2", "warn"],
  ["fuseblk", "warn"],
  ["msdos", "warn"],
  ["exfat", "warn"],
  ["tmpfs", "warn"],
  ["btrfs", "pass"],
])("file system %s: %s", (type, status) => {
  expect(judgeFileSystem("data", "/srv", type).status).toBe(status);
});

it("fails a repository in memory, and says what a rollback copy costs", () => {
  expect(judgeFileSystem("repository", "/run/b", "tmpfs").status).toBe("fail");
  const told = (isShared?: boolean) => judgeReflinks("/srv", isShared).map(({ detail }) => detail);
  expect(told(true)[0]).toContain("almost no room");
  expect(told(false)[0]).toContain("as much room as the data");
  expect(told(undefined)).toEqual([]);
});

it("names the newest backup of each level", () => {
  const found = judgeBackups(
    [backup({ id: "demo-2", level: "checksum" }), backup({ createdAtMs: now - 32 * hour })],
    now,
  );
  expect(found.at(-1)).toMatchObject({
    ...{ name: "verified", status: "pass" },
    detail: expect.stringMatching(/^restore: demo-1, .* old; checksum: demo-2, .* old$/),
  });
});

it("warns where one disk holds data and backups, and where room gets scarce", () => {
  expect(judgeDisks(1, [2, 1]).status).toBe("warn");
  expect(judgeDisks(1, [2]).status).toBe("pass");
  const room = (freeBytes: number) =>
    judgeRoom("a backup", { path: "/b", neededBytes: 100, freeBytes });
  expect([room(50), room(110), room(200)].map(({ status }) => status)).toEqual([
    ...["fail", "warn", "pass"],
  ]);
});

it("names what is sick", () => {
  const one = (state: string, health: string) => ({ service: "web", state, health });
  expect(judgeContainers([one("running", "healthy"), one("exited", "none")])[0]?.status).toBe(
    "pass",
  );
  for (const sick of [one("running", "unhealthy"), one("restarting", "none")]) {
    expect(judgeContainers([sick])[0]).toMatchObject({ status: "fail" });
  }
});

it("names who may use the engine, and fails where everybody may", () => {
  const socket = {
    path: "/run/docker.sock",
    group: "docker",
    members: ["ada", "bob"],
    holders: [],
  };
  expect(judgeSocket({ ...socket, mode: 0o660 })).toMatchObject({
    ...{ status: "pass", detail: "root, and ada, bob by the group docker" },
  });
  expect(judgeSocket({ ...socket, mode: 0o600 }).detail).toBe("root");
  expect(judgeSocket({ ...socket, mode: 0o600, holders: ["proxy"] }).detail).toBe(
    "root, and the containers proxy",
  );
  const ports = judgeOpenPorts([
    "WARNING: API is accessible on http://0.0.0.0:2375 without encryption.\n         Access is root.",
    "WARNING: No swap limit support",
  ]);
  expect(ports).toMatchObject([{ status: "fail", name: "engine access" }]);
  expect(ports[0]?.detail).toContain("http://0.0.0.0:2375");
  expect(judgeSocket({ ...socket, mode: 0o666 })).toMatchObject({ status: "fail" });
});

it("warns of tools that are missing, and of copies that are only here or old", () => {
  const tools = judgeTools({ age: "v1.2.1", zstd: undefined });
  expect(tools.map(({ name, status }) => `${name} ${status}`)).toEqual(["age pass", "zstd warn"]);
  const copy = (hours: number) => ({
    ...{ backupId: "demo-1", createdAt: new Date(now - hours * hour).toISOString() },
  });
  const states = [undefined, copy(3), copy(72)].map((one) => judgeOffHost(one, now).status);
  expect(states).toEqual(["warn", "pass", "warn"]);
});

it.each([
  ["none asked for", [], [], []],
  ["both at hand", ["age1a", "age1b"], ["age1b", "age1a"], ["pass"]],
  ["one elsewhere", ["age1a", "age1b"], ["age1a"], ["warn"]],
  ["none at hand", ["age1a"], [undefined, "age1x"], ["warn"]],
])("recipients, %s", (_, recipients, opened, statuses) => {
  expect(judgeKeysAtHand(recipients, opened).map(({ status }) => status)).toEqual(statuses);
});
