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
    build: { context: ., args: { FROM: ${secret} }, labels: { note: ${secret} } }
    volumes: ["./hosts:/etc/hosts:ro"]
    logging: { driver: json-file, options: { tag: ${secret} } }
  labels: { env_file: ./named.env }
secrets: { key: { file: ./key.pem, labels: { note: ${secret} } } }
configs: { app: { file: ./app.conf }, inline: { content: ${secret} } }
`,
  );
  const found = await referencedFiles({ directory, composeFiles: [compose], envFiles: [] });
  expect(new Set(found.map((path) => relative(directory, path)))).toEqual(new Set(wanted));
});
