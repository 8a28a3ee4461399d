// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of compose files
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { substitute } from "../../../src/core/env-file.ts";
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

describe("a file of the host is found however it is spelled", () => {
  const long = Array.from({ length: 200 }, (_, at) => `  - *note # ${at}`).join("\n");
  it.each<[string, string, Record<string, string>?]>([
    [
      "a variable that nobody has set before it",
      "services: { a: { env_file: '${NOBODY}SECRET' } }",
    ],
    ["a short variable before it", "services: { a: { env_file: '$NOBODY/../SECRET' } }"],
    ["a default", "services: { a: { env_file: '${NOBODY:-SECRET}' } }"],
    ["a default of a default", "services: { a: { env_file: '${NOBODY-${NONE:-SECRET}}' } }"],
    ["a replacement", "services: { a: { env_file: '${SET:+SECRET}' } }"],
    ["a replacement of an empty variable", "services: { a: { env_file: '${EMPTY+SECRET}' } }"],
    ["a replacement by the environment", "services: { a: { env_file: '${PATH:+SECRET}' } }"],
    ["a variable of a variable", "services: { a: { env_file: '${OUTER}' } }"],
    ["an error that does not come", "services: { a: { env_file: '${WHOLE:?no}' } }"],
    [
      "a second document",
      "services: { a: { image: a } }\n---\nservices: { a: { env_file: SECRET } }",
    ],
    ["many aliases", `x-note: &note {}\nx-all:\n${long}\nservices: { a: { env_file: SECRET } }`],
    ["a tag of Compose", "services: { a: { env_file: !override [SECRET], labels: !reset null } }"],
    ["a name that is there twice", "x-a: 1\nx-a: 2\nservices: { a: { env_file: SECRET } }"],
    ["a merge", "x-a: &a { env_file: SECRET }\nservices: { a: { <<: [*a] } }"],
    [
      "an object",
      "services: { a: { env_file: [{ path: SECRET, format: raw, required: false }] } }",
    ],
    ["a file of labels", "services: { a: { label_file: SECRET } }"],
    ["variables of an include", "include: [{ path: part.yml, env_file: [SECRET] }]"],
    [
      "a variable from the variables of an include",
      "include: [{ path: part.yml, env_file: part.env }]",
    ],
  ])("by %s", async (_what, text) => {
    await using base = await temporaryDirectory("sophon-keeper-spelled-");
    const secret = join(base.path, "root/secret.env");
    const directory = join(base.path, "project");
    const put = (path: string, content: string) => {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, content);
      return path;
    };
    put(secret, "PASSWORD=x\n");
    put(
      join(directory, ".env"),
      `SET=1\nEMPTY=\nWHOLE=${secret}\nHALF=${dirname(secret)}\nOUTER=\${HALF}/secret.env\n`,
    );
    put(join(directory, "part.env"), `OF_PART=${secret}\n`);
    put(join(directory, "part.yml"), "services: { p: { image: p, env_file: '${OF_PART}' } }\n");
    const compose = put(join(directory, "compose.yml"), text.replaceAll("SECRET", secret));
    const found = await referencedFiles({ directory, composeFiles: [compose], envFiles: [] });
    expect(found.map(({ path }) => path)).toContain(secret);
  });
});

it.each([
  ["plain", "plain"],
  ["$$A and $${A}", "$A and ${A}"],
  ["$A$B-${A}", "12-1"],
  ["${NONE}", ""],
  ["${NONE:-}", ""],
  ["${EMPTY:-x}${EMPTY-y}", "x"],
  ["${A:+x}${EMPTY:+x}${EMPTY+y}${NONE+z}", "xy"],
  ["${NONE:-a${A:-b}c}", "a1c"],
  ["${A:?must be set}", "1"],
  ["a ${ that is not closed", "a ${ that is not closed"],
  ["costs 5$", "costs 5$"],
])("Compose makes of %j: %j", (text, made) => {
  expect(substitute(text, { A: "1", B: "2", EMPTY: "" })).toBe(made);
});
