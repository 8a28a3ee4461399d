import { execFileSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { overwriteFile, removeReplacements, replaceFile } from "../../../src/core/durable.ts";
import { temporaryDirectory } from "../../../src/core/temp.ts";
import { writeWhole } from "../../../src/report/page-file.ts";
import { putSettings } from "../../../src/stores/postgres/settings-file.ts";

const eve = 4242;
const asRoot = it.runIf(process.geteuid?.() === 0);
let base: Awaited<ReturnType<typeof temporaryDirectory>>;
/** A directory of Eve. */
let hers: string;
/** A file of root. */
let roots: string;

beforeEach(async () => {
  base = await temporaryDirectory("sophon-keeper-foreign-");
  hers = join(base.path, "hers");
  roots = join(base.path, "roots");
  mkdirSync(hers);
  chownSync(hers, eve, eve);
  writeFileSync(roots, "of root", { mode: 0o600 });
});
afterEach(async () => {
  await base[Symbol.asyncDispose]();
});

function plant(name: string, target = roots): string {
  const path = join(hers, name);
  symlinkSync(target, path);
  lchownSync(path, eve, eve);
  return path;
}

function expectRootsUntouched(): void {
  expect(readFileSync(roots, "utf8")).toBe("of root");
  const { uid, mode, nlink } = statSync(roots);
  expect([uid, mode & 0o777, nlink]).toEqual([0, 0o600, 1]);
}

asRoot.each([".sophon-keeper", ".partial", `.${process.pid}.partial`])(
  "a link planted at the temporary name (%s) is neither followed nor removed",
  async (end) => {
    const env = join(hers, ".env");
    writeFileSync(env, "TAG=1");
    chownSync(env, eve, eve);
    const planted = [plant(`..env${end}`), plant(`.env${end}`)];
    replaceFile(env, "TAG=2");
    await writeWhole(join(hers, ".env"), "TAG=3");
    removeReplacements(env, ["TAG=2"]);
    expect(readFileSync(env, "utf8")).toBe("TAG=3");
    expect([statSync(env).uid, readdirSync(hers).length]).toEqual([eve, 3]);
    for (const path of planted) expect(readlinkSync(path)).toBe(roots);
    expectRootsUntouched();
  },
);

asRoot("a link of another user to a file of root is refused, her own file behind it is not", () => {
  const link = plant(".env");
  for (const write of [replaceFile, overwriteFile]) {
    expect(() => write(link, "x")).toThrow(expect.objectContaining({ class: "foreign-link" }));
  }
  expectRootsUntouched();
  mkdirSync(join(hers, "shared"));
  writeFileSync(join(hers, "shared", "env"), "");
  chownSync(join(hers, "shared", "env"), eve, eve);
  const good = plant("good", "shared/env");
  replaceFile(good, "TAG=2");
  expect(readFileSync(join(hers, "shared", "env"), "utf8")).toBe("TAG=2");
  expect(readlinkSync(good)).toBe("shared/env");
});

asRoot("a link in the place of a directory is refused as well", () => {
  const etc = join(base.path, "etc");
  mkdirSync(etc);
  writeFileSync(join(etc, "env"), "of root");
  plant("conf", etc);
  expect(() => replaceFile(join(hers, "conf", "env"), "x")).toThrow(
    /symbolic link of another user/,
  );
  expect(readFileSync(join(etc, "env"), "utf8")).toBe("of root");
});

asRoot("a report takes the place of a link, and of a second name of a file of root", async () => {
  await writeWhole(plant("report.html"), "<p>");
  linkSync(roots, join(hers, "metrics.prom"));
  await writeWhole(join(hers, "metrics.prom"), "up 1");
  expect(readFileSync(join(hers, "report.html"), "utf8")).toBe("<p>");
  expectRootsUntouched();
});

asRoot("the settings of PostgreSQL are the server's, and read no file of root", async () => {
  const path = join(hers, "postgresql.auto.conf");
  const put = () => putSettings.run({ path, text: "a = 1\n" }, {} as never);
  expect(await put()).toBe("");
  const { uid, gid, mode } = statSync(path);
  expect([uid, gid, mode & 0o777]).toEqual([eve, eve, 0o600]);
  expect(await put()).toBe("a = 1\n");
  const other = join(base.path, "other");
  mkdirSync(other);
  symlinkSync(roots, join(other, "postgresql.auto.conf"));
  const linked = { path: join(other, "postgresql.auto.conf"), text: "a = 1\n" };
  await expect(putSettings.run(linked, {} as never)).rejects.toMatchObject({ code: "ELOOP" });
  expectRootsUntouched();
});

it("never puts a file in the place of a device, a socket or a pipe", async () => {
  const pipe = join(base.path, "pipe");
  execFileSync("mkfifo", [pipe]);
  const socket = join(base.path, "socket");
  // The path that a server listens at has at most 107 bytes.
  const short = join(tmpdir(), `s-${process.pid}`);
  const server = createServer().listen(short);
  await once(server, "listening");
  renameSync(short, socket);
  const device = join(base.path, "device");
  symlinkSync("/dev/null", device);
  for (const path of [pipe, socket, device]) {
    const before = lstatSync(path);
    const refusal = `${path} is a device, a socket or a pipe`;
    expect(() => replaceFile(path, "text", { followsLinks: false })).toThrow(refusal);
    await expect(writeWhole(path, "text")).rejects.toThrow(refusal);
    expect(lstatSync(path)).toMatchObject({ ino: before.ino, mode: before.mode });
  }
  expect(readdirSync(base.path).toSorted()).toEqual(["device", "hers", "pipe", "roots", "socket"]);
  server.close();
});

it("keeps the mode without its set-id bits, and gives a new file 0600", () => {
  const path = join(base.path, "file");
  replaceFile(path, "1");
  expect(statSync(path).mode & 0o7777).toBe(0o600);
  chmodSync(path, 0o6755);
  replaceFile(path, "2");
  expect(statSync(path).mode & 0o7777).toBe(0o755);
  expect(() => replaceFile(base.path, "3")).toThrow(/is a directory/);
});

it("removes what a killed run left, and no file of the user that has such a name", () => {
  const env = join(base.path, ".env");
  writeFileSync(env, "TAG=1");
  const named = (end: string) => join(base.path, `..env.sophon-keeper${end}`);
  const [left, cut, old] = [`-${"a".repeat(24)}`, `-${"b".repeat(24)}`, ""].map(named);
  const [users, other] = [`-${"c".repeat(24)}`, ".mine"].map(named);
  for (const [path, text] of [
    [left, "TAG=2"],
    [cut, "TA"],
    [old, "TAG=2"],
    [users, "my own"],
    [other, "TAG=2"],
  ] as const) {
    writeFileSync(String(path), text);
  }
  removeReplacements(env, ["TAG=2", "TAG=1"]);
  const there = [left, cut, old, users, other].map((path) => existsSync(String(path)));
  expect(there).toEqual([false, false, true, true, true]);
});
