import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { expect, it } from "vitest";
import { temporaryDirectory } from "../../../src/core/temp.ts";
import { referencedFiles } from "../../../src/stores/stack-files/references.ts";

it("a file that a label or a variable only mentions is not backed up, one that Compose reads is", async () => {
  await using base = await temporaryDirectory("sophon-keeper-references-");
  const directory = join(base.path, "project");
  const put = (name: string, text = "x") => {
    const path = join(directory, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return path;
  };
  const secret = put("../etc/shadow");
  const wanted = [
    "own.env",
    "labels.txt",
    "common.yml",
    "more.yml",
    "key.pem",
    "app.conf",
    "hosts",
  ];
  for (const name of wanted) put(name, "services: {}\n");
  put("build/Dockerfile");
  const compose = put(
    "compose.yml",
    `
x-note: ${secret}
x-common: &common { env_file: own.env }
include: [more.yml]
services:
  app:
    <<: *common
    extends: { file: common.yml, service: app }
    label_file: ./labels.txt
    labels: { note: ${secret}, volumes: ${secret} }
    annotations: { note: ${secret} }
    environment: { FILE: ${secret} }
    command: [cat, ${secret}]
    entrypoint: ${secret}
    healthcheck: { test: [CMD, ${secret}] }
    build: { context: ., args: { FROM: ${secret} }, labels: { note: ${secret} }, ssh: ["${secret}"] }
    develop: { watch: [{ path: ${secret}, action: rebuild }] }
    credential_spec: { file: ${secret} }
    volumes: ["./hosts:/etc/hosts:ro", "${secret}", "data:/data"]
    logging: { driver: json-file, options: { tag: ${secret} } }
  labels: { env_file: ./named.env }
secrets: { key: { file: ./key.pem, labels: { note: ${secret} } } }
configs: { app: { file: ./app.conf }, inline: { content: ${secret} } }
`,
  );
  const found = await referencedFiles({ directory, composeFiles: [compose], envFiles: [] });
  expect(new Set(found.map(({ path }) => relative(directory, path)))).toEqual(new Set(wanted));
  expect(found.find(({ path }) => path.endsWith("own.env"))?.by).toBe("service app: env_file");
});

it("a path starts where Compose starts it, and a file of the same name elsewhere is left alone", async () => {
  await using base = await temporaryDirectory("sophon-keeper-references-");
  const directory = base.path;
  const put = (name: string, text = "X=1\n") => {
    const path = join(directory, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return path;
  };
  const wanted = ["part/compose.yml", "part/app.env", "part/.env", "base/base.yml", "base/app.env"];
  for (const name of [...wanted, "app.env", "image/Dockerfile.app", "odd name.env", "b/mine.env"])
    put(name);
  put(
    "part/compose.yml",
    `services: { part: { env_file: app.env, build: { context: "\${WHERE}", dockerfile: Dockerfile.app } } }\n`,
  );
  put("part/.env", "WHERE=../image\n");
  put("base/base.yml", "services: { base: { env_file: { path: app.env, required: false } } }\n");
  const compose = put(
    "compose.yml",
    `include: [{ path: part/compose.yml, env_file: ["odd name.env"] }]
services:
  env_file: { extends: { file: base/base.yml, service: base }, volumes: [{ type: bind, source: ./b/mine.env, target: /x }] }
`,
  );
  const found = await referencedFiles({ directory, composeFiles: [compose], envFiles: [] });
  expect(new Set(found.map(({ path }) => relative(directory, path)))).toEqual(
    new Set([...wanted, "image/Dockerfile.app", "odd name.env", "b/mine.env"]),
  );
});
