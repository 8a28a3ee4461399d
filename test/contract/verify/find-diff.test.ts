import { execFileSync } from "node:child_process";
import { chmodSync, linkSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { diff } from "../../../src/commands/diff.ts";
import { find } from "../../../src/commands/find.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { silentReporter } from "../../../src/core/reporter.ts";
import { temporaryDirectory } from "../../../src/core/temp.ts";
import type { Stack, VolumeStore } from "../../../src/model/stack.ts";
import type { HostDependencies } from "../../../src/operations/session/dependencies.ts";
import type { RawInputs } from "../../../src/options/input-files.ts";
import { parseOptions } from "../../../src/options/parse.ts";
import { resultText } from "../../../src/report/text.ts";
import { bindMount, dataStoreAt, plainTasks } from "../stores-a/contexts.ts";
import { keyPair, makeBackup } from "./backup.ts";

const ids = [
  "sophon-20260102T030405Z-00aa",
  "sophon-20260103T030405Z-00ab",
  "sophon-20260104T030405Z-00ac",
] as const;
const temporary = await temporaryDirectory("sophon-keeper-find-");
const root = temporary.path;
const key = await keyPair();
const repository = join(root, "repository");

const then = new Date("2026-01-01T00:00:00.500Z");

beforeAll(async () => {
  for (const [night, id] of ids.entries()) {
    const fill = (at: string) => {
      for (let file = 0; file < 8; file++) {
        writeFileSync(join(at, `file-${file}`), `file ${file}`);
        utimesSync(join(at, `file-${file}`), then, then);
      }
      writeFileSync(join(at, "models.json"), night < 2 ? "{}" : '{"more": true}');
      utimesSync(join(at, "models.json"), then, then);
      linkSync(join(at, "file-1"), join(at, "z-hard"));
      symlinkSync(night === 0 ? "file-0" : "file-1", join(at, "z-link"));
      if (night === 0) writeFileSync(join(at, "lost.txt"), "once");
      if (night === 2) chmodSync(join(at, "file-2"), 0o600);
    };
    const about = { recipient: key.recipient, rows: 40 + night, fill };
    await makeBackup(root, { id, createdAt: `2026-01-0${night + 2}T03:04:05.000Z`, ...about });
  }
});
afterAll(() => temporary[Symbol.asyncDispose]());

function dependencies(stack?: Pick<Stack, "stores">): HostDependencies {
  return {
    ...{ reporter: silentReporter, clock: systemClock, version: "0.0.0", destinations: {} },
    ...{ signal: new AbortController().signal, readInput: async () => new Uint8Array() },
    host: {
      project: async () => "sophon",
      discover: async () => stack,
      workbench: async () => ({ containers: {}, tasks: plainTasks }),
    },
    recoveries: {},
  } as unknown as HostDependencies;
}

function options(command: "find" | "diff", raw: RawInputs) {
  const given = { repository, identity: key.identity, ...raw };
  return parseOptions(command, given, { workingDirectory: "/", home: undefined });
}

const findFiles = async (raw: RawInputs) => await find(options("find", raw), dependencies());
const compare = async (raw: RawInputs, stack?: Pick<Stack, "stores">) =>
  await diff(options("diff", raw), dependencies(stack));

describe("find", () => {
  it("tells each version of a file with the newest and the oldest backup that has it", async () => {
    const result = await findFiles({ path: "models.json\nlost.*" });
    expect(result.found).toMatchObject([
      { path: "volume-uploads/models.json", bytes: 14, newest: ids[2], oldest: ids[2] },
      { path: "volume-uploads/models.json", bytes: 2, newest: ids[1], oldest: ids[0] },
      { path: "volume-uploads/lost.txt", bytes: 4, newest: ids[0], oldest: ids[0] },
    ]);
    expect(resultText(result)).toContain("volume-uploads/lost.txt");
  });

  it("looks into one backup by its id", async () => {
    const { found } = await findFiles({ path: "models.json", backup: ids[0] });
    expect(found).toMatchObject([{ bytes: 2, newest: ids[0] }]);
    await expect(findFiles({ path: "lost.txt", backup: ids[2] })).rejects.toThrow(
      `nothing in ${ids[2]} is called lost.txt`,
    );
  });

  it("needs a name and a key", async () => {
    await expect(findFiles({})).rejects.toThrow("path is missing");
    await expect(findFiles({ path: "x", identity: "" })).rejects.toThrow(
      "of one of its keys as identity",
    );
  });
});

describe("diff", () => {
  it("tells what changed between two nights", async () => {
    const result = await compare({});
    expect(result).toMatchObject({
      compared: { older: ids[1], newer: ids[2] },
      differences: {
        files: [
          { path: "data/security/vault.key", change: "changed" },
          {
            path: "volume-uploads/file-2",
            change: "changed",
            detail: "mode 0644, now 0600",
          },
          { path: "volume-uploads/models.json", change: "changed", detail: "2 B, now 14 B" },
        ],
        counts: [{ of: "data", name: "table data/sophon.db users", from: 41, to: 42 }],
      },
    });
    expect(resultText(result)).toContain("~ volume-uploads/models.json  2 B, now 14 B\n");
  });

  it("takes any two, in the order of time", async () => {
    const { differences } = await compare({ backup: ids[0], against: ids[1] });
    expect(differences).toMatchObject({
      files: expect.arrayContaining([
        { path: "volume-uploads/lost.txt", change: "removed" },
        { path: "volume-uploads/z-link", change: "changed", detail: "to file-0, now file-1" },
      ]),
    });
    await expect(compare({ backup: ids[0] })).rejects.toThrow(`no backup before ${ids[0]}`);
  });

  it("compares with what is live, where nothing differs until something does", async () => {
    const at = join(root, "work", ids[2]);
    const uploads: VolumeStore = {
      kind: "volume",
      name: "volume-uploads",
      mount: bindMount(join(at, "uploads")),
      services: ["gateway"],
      databases: [],
    };
    const stores = [dataStoreAt(join(at, "data")), uploads];
    const same = await compare({ against: "live" }, { stores });
    expect(same.differences).toEqual({ files: [], counts: [] });
    expect(resultText(same)).toContain("no differences");
    rmSync(join(at, "uploads/file-3"));
    writeFileSync(join(at, "uploads/new"), "new");
    const database = join(at, "data/data/sophon.db");
    execFileSync("sqlite3", [database, "INSERT INTO users (name) VALUES ('more')"]);
    const { differences } = await compare({ against: "live" }, { stores });
    expect(differences).toEqual({
      files: [
        { path: "volume-uploads/file-3", change: "removed" },
        { path: "volume-uploads/new", change: "added" },
      ],
      counts: [{ of: "data", name: "table data/sophon.db users", from: 42, to: 43 }],
    });
  });
});
