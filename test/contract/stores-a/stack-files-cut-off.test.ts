import { mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { removeDead, temporaryDirectory } from "../../../src/core/temp.ts";
import type { ComposeModel, Stack } from "../../../src/model/stack.ts";
import { readRequest } from "../../../src/stores/reader.ts";
import { backupStackFiles } from "../../../src/stores/stack-files/stack-files.ts";
import { stackRemove, stackUnpack } from "../../../src/stores/stack-files/unpack.ts";
import { cells } from "../../lab/matrix.ts";
import { cutOffEverywhere } from "../support/cut-off.ts";
import { looksOf } from "../support/looks.ts";
import { contextsOf, plainTasks } from "./contexts.ts";

const place = { mounts: [] };
const module = "src/stores/stack-files/unpack.ts";

/** A stack of three files, one of them a link, and a directory. */
function makeProject(root: string): Stack {
  const path = (...names: string[]) => join(root, "project", ...names);
  mkdirSync(path("conf/tls"), { recursive: true, mode: 0o750 });
  writeFileSync(path("real.yml"), "services: {}\n");
  symlinkSync("real.yml", path("compose.yml"));
  writeFileSync(path(".env"), "SECRET=one\n", { mode: 0o600 });
  for (const name of ["a.pem", "b.pem"]) writeFileSync(path("conf/tls", name), name);
  const volumes = [{ type: "bind", source: path("conf/tls"), target: "/tls", read_only: true }];
  return {
    ...{ project: "demo", directory: path(), composeFiles: [path("compose.yml")], envFiles: [] },
    ...{ profiles: [], tier: "other", containers: [], stores: [], excluded: [], secrets: [] },
    model: { name: "demo", services: { gateway: { volumes } } } as unknown as ComposeModel,
  };
}

cells(
  test,
  ["kill", "EIO", "ENOSPC"],
  (how) => how === "kill",
)(
  "files of a stack that are brought back are there whole or not at all when it is cut off by %s",
  async (how) => {
    // Not below /dev, which is never part of a stack.
    await using directory = await temporaryDirectory("sk-cut-off-");
    const temporary = join(directory.path, "tmp");
    mkdirSync(temporary);
    vi.stubEnv("TMPDIR", temporary);
    onTestFinished(() => void vi.unstubAllEnvs());
    const project = join(directory.path, "project");
    const { backup, restore } = contextsOf(directory.path);
    const component = await backupStackFiles(makeProject(directory.path), backup);
    const wanted = looksOf(project);
    const archive = readRequest(restore, component);
    const params = { archive, differing: "keep" as const, dryRun: false };
    rmSync(project, { recursive: true });
    const looked = await plainTasks.run(stackUnpack, { ...params, dryRun: true }, place);
    const paths = looked.map(({ path }) => path);
    const directories = [...new Set(looked.flatMap((one) => one.directories))];
    expect(looksOf(project)).toEqual([]);
    const roots = paths.map((path) => path.slice(project.length));
    const isOf = (line: string) =>
      roots.find((root) => line.startsWith(`${root} `) || line.startsWith(`${root}/`));
    await cutOffEverywhere(
      how,
      () => ({ module, name: "stackUnpack", args: [params] }),
      async (_, at) => {
        const now = looksOf(project);
        for (const root of new Set(now.map(isOf))) {
          if (root === undefined) continue;
          const of = (lines: string[]) => lines.filter((line) => isOf(line) === root);
          expect(of(now)).toEqual(of(wanted));
        }
        if (at % 2 === 0) {
          const done = await plainTasks.run(stackUnpack, params, place);
          expect(done.filter(({ status }) => status === "kept")).toEqual([]);
          expect(looksOf(project)).toEqual(wanted);
        }
        await plainTasks.run(stackRemove, { paths, directories }, place);
        expect(looksOf(project)).toEqual([]);
      },
    );
    // What a killed run unpacked holds secrets; the next one removes it.
    await removeDead();
    expect(readdirSync(temporary)).toEqual([]);
  },
);
