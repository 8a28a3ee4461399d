import { describe, expect, it } from "vitest";
import {
  judgeBackups,
  judgeContainers,
  judgeDisks,
  judgeFileSystem,
  judgeNode,
  judgeOffHost,
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
])("file system %s: %s", (type, status) => {
  expect(judgeFileSystem("data", "/srv", type).status).toBe(status);
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
  const socket = { path: "/run/docker.sock", group: "docker", members: ["ada", "bob"] };
  expect(judgeSocket({ ...socket, mode: 0o660 })).toMatchObject({
    ...{ status: "pass", detail: "root, and ada, bob by the group docker" },
  });
  expect(judgeSocket({ ...socket, mode: 0o600 }).detail).toBe("root");
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
