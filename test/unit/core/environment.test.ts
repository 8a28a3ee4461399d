import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, vi } from "vitest";
import { environmentFor, takeInputs } from "../../../src/core/environment.ts";
import { run } from "../../../src/core/exec.ts";
import { temporaryDirectory } from "../../../src/core/temp.ts";

const secrets = {
  SOPHON_KEEPER_PASSPHRASE: "s1",
  SOPHON_KEEPER_IDENTITY: "s2",
  INPUT_IDENTITY: "s3",
  "INPUT_HEALTH-HEADER": "s4",
  ACTIONS_RUNTIME_TOKEN: "s5",
  ACTIONS_ID_TOKEN_REQUEST_TOKEN: "s6",
  GITHUB_TOKEN: "s7",
  GH_TOKEN: "s8",
};
const user = {
  TAG: "1.2.0",
  API_TOKEN: "of the stack",
  GITHUB_SHA: "abc",
  TAR_OPTIONS: "--exclude=*",
};

async function told(program: string, args: readonly string[]): Promise<Map<string, string>> {
  const { stdout } = await run(program, args);
  const lines = stdout.split("\n").map((line): [string, string] => {
    const at = line.indexOf("=");
    return [line.slice(0, at), line.slice(at + 1)];
  });
  return new Map(lines);
}

it("gives programs no secret and no variable that they do not need", async () => {
  for (const [name, value] of Object.entries({ ...secrets, ...user })) vi.stubEnv(name, value);
  vi.stubEnv("LC_ALL", "C");
  const environment = await told("env", []);
  for (const name of Object.keys({ ...secrets, ...user }))
    expect(environment.has(name)).toBe(false);
  expect(environment.get("LC_ALL")).toBe("C");
  expect(environment.get("PATH")).toBe(process.env.PATH);
  vi.unstubAllEnvs();
});

it("gives Docker what the user set for Compose, and no secret", async () => {
  await using bin = await temporaryDirectory("sophon-keeper-bin-");
  writeFileSync(join(bin.path, "docker"), "#!/bin/sh\nexec env\n");
  chmodSync(join(bin.path, "docker"), 0o755);
  for (const [name, value] of Object.entries({ ...secrets, ...user })) vi.stubEnv(name, value);
  vi.stubEnv("PATH", `${bin.path}:${process.env.PATH}`);
  const environment = await told("docker", ["compose", "config"]);
  for (const name of Object.keys(secrets)) expect(environment.has(name)).toBe(false);
  for (const [name, value] of Object.entries(user)) expect(environment.get(name)).toBe(value);
  vi.unstubAllEnvs();
});

it("knows docker by its path too", () => {
  const environment = environmentFor("/usr/bin/docker", { DOCKER_HOST: "unix:///x", ...secrets });
  expect(environment).toEqual({ DOCKER_HOST: "unix:///x" });
});

it("takes the inputs out of the environment", () => {
  const environment: Record<string, string | undefined> = { ...secrets, ...user };
  expect(takeInputs(environment)).toEqual({ ...secrets, ...user });
  const left = [
    "ACTIONS_RUNTIME_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "GITHUB_TOKEN",
    "GH_TOKEN",
  ];
  expect(Object.keys(environment)).toEqual([...left, ...Object.keys(user)]);
});
