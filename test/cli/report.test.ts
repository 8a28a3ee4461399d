import { execFileSync } from "node:child_process";
import { lstat, readFile, truncate } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { temporaryDirectory } from "../../src/core/temp.ts";
import { keeper } from "./keeper.ts";
import { sealedRepository } from "./sealed-repository.ts";

it("remembers good and bad runs, and writes them as one page without an engine", async () => {
  await using sealed = await sealedRepository();
  await using place = await temporaryDirectory("sophon-keeper-report-");
  const page = join(place.path, "new", "history.html");
  const day = new Date().toISOString().slice(0, 10);
  const good = await sealed.add(day);
  const bad = await sealed.add(day);
  await truncate(join(sealed.repository.directory(bad), "data.tar.zst.age"), 10);
  const at = ["--repository", sealed.repository.path];
  const verify = (id: string) => keeper(["verify", ...at, "--backup", id, "--level", "checksum"]);
  expect((await verify(good)).code).toBe(0);
  expect((await verify(bad)).code).toBe(4);
  const told = await keeper(["report", ...at, "--report-path", page, "--json"]);
  expect(told.code, told.stderr).toBe(0);
  const { result, path, history } = JSON.parse(told.stdout);
  expect([result, path]).toEqual(["listed", page]);
  const runs = history.runs.map((run: Record<string, unknown>) => [run.command, run.result]);
  expect(runs).toEqual([
    ["verify", "verified"],
    ["verify", "damaged"],
  ]);
  const html = await readFile(page, "utf8");
  expect(html).toContain("has correct checksums");
  expect(html).toContain("10 bytes instead of");
  expect(html).toContain(good);
});

it("refuses in one line what it cannot read or write", async () => {
  await using sealed = await sealedRepository();
  const missing = await keeper(["report", "--repository", "/nowhere/at/all"]);
  expect(missing.code).toBe(2);
  expect(missing.stderr).toContain("repository");
  const at = ["--repository", sealed.repository.path, "--report-path", "/proc/page.html"];
  const closed = await keeper(["report", ...at]);
  expect(closed.code).toBe(2);
  expect(closed.stderr).toMatch(
    /^refused: report-path is "\/proc\/page\.html", where no files can/m,
  );
  await using place = await temporaryDirectory("sophon-keeper-report-");
  const pipe = join(place.path, "pipe");
  execFileSync("mkfifo", [pipe]);
  const kept = await keeper([
    "report",
    "--repository",
    sealed.repository.path,
    "--report-path",
    pipe,
  ]);
  expect(kept.code).toBe(2);
  expect(kept.stderr).toMatch(/^refused: .*pipe is a device, a socket or a pipe/m);
  expect((await lstat(pipe)).isFIFO()).toBe(true);
});
