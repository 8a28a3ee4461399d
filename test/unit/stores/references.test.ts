import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { afterEach, expect, it, vi } from "vitest";
import { temporaryDirectory } from "../../../src/core/temp.ts";
import { referencedFiles } from "../../../src/stores/stack-files/references.ts";

afterEach(() => vi.unstubAllEnvs());

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

it("a file that more aliases name than a reader expects is backed up", async () => {
  await using base = await temporaryDirectory("sophon-keeper-references-");
  const compose = join(base.path, "compose.yml");
  const service = (at: number) => `  s${at}: { <<: *common, logging: *log, labels: *labels }`;
  const services = Array.from({ length: 150 }, (_, at) => service(at)).join("\n");
  writeFileSync(join(base.path, "own.env"), "A=1\n");
  writeFileSync(
    compose,
    `x-log: &log { driver: local }\nx-labels: &labels { a: b }\nx-common: &common { logging: *log, env_file: own.env }\nservices:\n${services}\n`,
  );
  const found = await referencedFiles({
    ...{ directory: base.path, composeFiles: [compose], envFiles: [] },
  });
  expect(found.map(({ path }) => relative(base.path, path))).toEqual(["own.env"]);
});

it.each<readonly [string, Readonly<Record<string, string>>, string]>([
  ["refers to another one", { ".env": `BASE=conf\nWHERE=\${BASE}/own\n` }, `\${WHERE}.env`],
  ["has a default with a variable", { ".env": "A=conf\n" }, `\${WHERE:-\${A}/own}.env`],
  ["is replaced where it is set", { ".env": "A=1\n" }, `\${A:+conf/own.env}`],
  ["is exported, in double quotes", { ".env": 'export WHERE="conf/own"\n' }, "./$WHERE.env"],
  ["only the shell has", {}, `\${SK_WHERE}.env`],
])("a file is backed up whose path has a variable that %s", async (_name, files, path) => {
  await using base = await temporaryDirectory("sophon-keeper-references-");
  vi.stubEnv("SK_WHERE", "conf/own");
  mkdirSync(join(base.path, "conf"));
  writeFileSync(join(base.path, "conf/own.env"), "X=1\n");
  for (const [name, text] of Object.entries(files)) writeFileSync(join(base.path, name), text);
  const compose = join(base.path, "compose.yml");
  writeFileSync(compose, `services: { app: { env_file: "${path}" } }\n`);
  const found = await referencedFiles({
    ...{ directory: base.path, composeFiles: [compose], envFiles: [] },
  });
  expect(found.map((one) => relative(base.path, one.path))).toContain("conf/own.env");
});

it("a file is backed up that an included file names with a variable of its own env file", async () => {
  await using base = await temporaryDirectory("sophon-keeper-references-");
  mkdirSync(join(base.path, "part"));
  const files = {
    "compose.yml": "include: [{ path: part/compose.yml, env_file: part/inc.env }]\n",
    "part/compose.yml": `services: { app: { volumes: ["./\${CONF}:/etc/app.conf:ro"] } }\n`,
    "part/inc.env": "CONF=app.conf\n",
    "part/app.conf": "x",
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(base.path, name), text);
  const composeFiles = [join(base.path, "compose.yml")];
  const found = await referencedFiles({ directory: base.path, composeFiles, envFiles: [] });
  expect(found.map((one) => relative(base.path, one.path))).toContain("part/app.conf");
});
