import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { newKeyPair } from "../../../src/archive/age/keys.ts";
import { temporaryDirectory } from "../../../src/core/temp.ts";
import type { ComposeModel, Stack } from "../../../src/model/stack.ts";
import { readRequest } from "../../../src/stores/reader.ts";
import {
  backupStackFiles,
  checkStackFiles,
  readStackFiles,
} from "../../../src/stores/stack-files/stack-files.ts";
import { stackUnpack } from "../../../src/stores/stack-files/unpack.ts";
import { contextsOf, dataStoreAt, plainTasks } from "./contexts.ts";

const COMPOSE = `
include:
  - path: parts/\${PART:-other}.yml   # chosen by the env file
  - { path: shop/compose.yml, project_directory: shelf }
services:
  gateway:
    image: gateway:1.0 # a tag is no file
    env_file: [gateway.env, plain, { path: missing.env, required: false }]
    extends: { file: "base file.yaml", service: base }
    volumes: [ "./conf/nginx.conf:/etc/nginx.conf:ro", "./data:/data" ]
`;

/** A project with a file of each kind, and the stack that discovery would make of it. */
function makeProject(root: string): Stack {
  const path = (...names: string[]) => join(root, "project", ...names);
  for (const name of ["parts", "conf", "data", "certificates", "shop", "shelf"])
    mkdirSync(path(name), { recursive: true });
  mkdirSync(join(root, "elsewhere"));
  writeFileSync(join(root, "elsewhere/compose.yml"), COMPOSE);
  symlinkSync("../elsewhere/compose.yml", path("compose.yml"));
  writeFileSync(path(".env"), "PART=extra\nPASSWORD=hunter2\n");
  writeFileSync(path("parts/extra.yml"), "services:\n  more:\n    env_file: more.env\n");
  writeFileSync(path("base file.yaml"), "services: {}\n");
  writeFileSync(path("shop/compose.yml"), "services:\n  shop:\n    env_file: ./shop.env\n");
  writeFileSync(path("shop/.env"), "NAME=beside what is included\n");
  for (const name of ["gateway.env", "unrelated.env", "plain", "shelf/shop.env"])
    writeFileSync(path(name), `NAME=${name}\n`);
  writeFileSync(path("parts/more.env"), "NAME=beside\n");
  writeFileSync(path("conf/nginx.conf"), "server {}\n");
  writeFileSync(path("data/huge"), "belongs to a store");
  writeFileSync(path("certificates/a.pem"), "certificate");
  writeFileSync(join(root, "elsewhere/secret.txt"), "top secret", { mode: 0o600 });
  chmodSync(path("certificates"), 0o750);
  const model = {
    name: "demo",
    services: {
      gateway: {
        environment: { PASSWORD: "it's $HOME" },
        volumes: [
          { type: "bind", source: path("certificates"), target: "/certificates", read_only: true },
          { type: "bind", source: "/proc", target: "/host/proc", read_only: true },
          { type: "bind", source: path("data"), target: "/data" },
        ],
      },
    },
    secrets: { key: { file: join(root, "elsewhere/secret.txt") } },
  } as unknown as ComposeModel;
  return {
    project: "demo",
    directory: path(),
    composeFiles: [path("compose.yml")],
    envFiles: [],
    profiles: ["all"],
    tier: "other",
    model,
    containers: [],
    stores: [dataStoreAt(path("data"))],
    excluded: [],
    secrets: [],
  };
}

describe("the files of a stack", () => {
  it("are all there, and a bare host has them again", async () => {
    await using directory = await temporaryDirectory("sk-stack-");
    const stack = makeProject(directory.path);
    const { identity, recipient } = await newKeyPair();
    const { backup, restore } = contextsOf(directory.path, {
      sink: { recipients: [recipient] },
      identities: [identity],
    });
    const component = await backupStackFiles(stack, backup);
    expect(component.file).toBe("stack.tar.zst.age");
    expect(component.warnings).toEqual([expect.stringContaining("/proc")]);
    expect(await checkStackFiles(component, restore)).toMatchObject([{ status: "pass" }]);
    const { model, index } = await readStackFiles(component, restore);
    expect(model).toEqual(stack.model);
    const project = join(directory.path, "project");
    const expected = [
      ...["compose.yml", ".env", "parts/extra.yml", "base file.yaml", "gateway.env"],
      ...["parts/more.env", "conf/nginx.conf", "certificates", "plain"],
      ...["shop/compose.yml", "shop/.env", "shelf/shop.env"],
    ].map((name) => join(project, name));
    const elsewhere = ["compose.yml", "secret.txt"].map((name) =>
      join(directory.path, "elsewhere", name),
    );
    expect(new Set(index.roots)).toEqual(new Set([...expected, ...elsewhere]));

    const before = execFileSync("cat", [join(project, "compose.yml")]).toString();
    rmSync(join(project), { recursive: true });
    rmSync(join(directory.path, "elsewhere/compose.yml"));
    writeFileSync(join(directory.path, "elsewhere/secret.txt"), "another");
    const archive = readRequest(restore, component);
    const run = (differing: "keep" | `aside:${string}`, dryRun = false) =>
      plainTasks.run(stackUnpack, { archive, differing, dryRun }, { mounts: [] });
    await run("keep", true);
    expect(() => readFileSync(join(project, "compose.yml"))).toThrow();
    const first = await run("keep");
    expect(first.filter(({ status }) => status === "kept").map(({ path }) => path)).toEqual([
      join(directory.path, "elsewhere/secret.txt"),
    ]);
    expect(readFileSync(join(project, "compose.yml"), "utf8")).toBe(before);
    expect(readFileSync(join(project, "certificates/a.pem"), "utf8")).toBe("certificate");
    expect(execFileSync("stat", ["-c", "%a", join(project, "certificates")]).toString()).toBe(
      "750\n",
    );
    const second = await run("aside:one");
    const secret = join(directory.path, "elsewhere/secret.txt");
    expect(second.filter(({ status }) => status !== "same")).toEqual([
      { path: secret, status: "replaced", aside: `${secret}.sophon-keeper-one`, directories: [] },
    ]);
    expect(readFileSync(secret, "utf8")).toBe("top secret");
    expect(readFileSync(`${secret}.sophon-keeper-one`, "utf8")).toBe("another");
  });

  it("are not backed up when one that the stack needs is missing", async () => {
    await using directory = await temporaryDirectory("sk-stack-");
    const stack = makeProject(directory.path);
    rmSync(join(directory.path, "elsewhere/secret.txt"));
    const { backup } = contextsOf(directory.path);
    await expect(backupStackFiles(stack, backup)).rejects.toMatchObject({
      exitCode: 3,
      class: "stack-file",
      message: expect.stringContaining("secret.txt"),
    });
    expect(execFileSync("ls", ["-A", backup.sink.directory]).toString()).toBe("");
  });
});
