import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ExecError } from "../../../src/core/exec.ts";
import { temporaryDirectory } from "../../../src/core/temp.ts";
import type { ComposeModel } from "../../../src/model/stack.ts";
import { readValue } from "../../../src/options/values.ts";
import { profilesFor } from "../../../src/stack/profile-choice.ts";
import { filesInLabel } from "../../../src/stack/project-files.ts";
import { unreadableProject, unsetVariables } from "../../../src/stack/unreadable.ts";

const failed = (stderr: string) =>
  new ExecError({
    ...{ command: "docker compose config", exitCode: 1, signal: null, timedOut: false },
    ...{ stderr, stdout: "" },
  });
const told = (stderr: string) => {
  const { message, hint } = unreadableProject("project shop", "/srv/shop", failed(stderr));
  return { message, hint };
};

describe("a project that Compose cannot read", () => {
  it("is refused with the variable that is not set, and where it is needed", () => {
    const where = "error while interpolating services.app.image: ";
    expect(told(`${where}required variable TAG is missing a value\n`)).toEqual({
      message:
        "Compose cannot read project shop: variable TAG is not set, but services.app.image needs it",
      hint: "Set TAG in /srv/shop/.env or in a file that env-files names, or in the environment of this command.",
    });
    expect(told(`${where}required variable TAG is missing a value: choose: a tag\n`).message).toBe(
      "Compose cannot read project shop: variable TAG is not set, but services.app.image needs it (choose: a tag)",
    );
    expect(told("required variable TAG is missing a value").message).toMatch("TAG is not set");
  });

  it.each([
    ["env file /srv/shop/app.env not found: stat /srv/shop/app.env: no such file or directory"],
    ["open /srv/shop/part.yaml: no such file or directory"],
    ['service "a" depends on undefined service "b": invalid compose project'],
    ["yaml: line 1: did not find expected ',' or '}'"],
  ])("is refused with what Compose says: %s", (line) => {
    const warning = 'time="now" level=warning msg="The \\"X\\" variable is not set."';
    expect(told(`${warning}\n${line}\n`).message).toBe(`Compose cannot read project shop: ${line}`);
  });

  it("names the variables that Compose took as empty", () => {
    const line =
      'level=warning msg="The \\"A_B\\" variable is not set. Defaulting to a blank string."';
    expect(unsetVariables(`${line}\n${line}\n${line.replace("A_B", "C")}\n`)).toEqual(["A_B", "C"]);
    expect(unsetVariables("")).toEqual([]);
  });
});

describe("the files in a label", () => {
  it("are found in directories with commas, blanks, quotes and dollars", async () => {
    await using root = await temporaryDirectory("sophon-keeper-test-");
    const make = (...names: string[]) => {
      const path = join(root.path, ...names);
      mkdirSync(join(path, ".."), { recursive: true });
      writeFileSync(path, "services: {}\n");
      return path;
    };
    for (const name of ["My stack, new (1)", 'it\'s $HOME, "so"', ",", "käse,ü"]) {
      const files = [make(name, "compose.yaml"), make(name, "over,ride.yaml")];
      expect(await filesInLabel(files.join(","), "/")).toEqual(files);
      expect(await filesInLabel(files[0] ?? "", "/")).toEqual([files[0]]);
    }
    const both = [make("a", "one.yaml"), make("b", "two.yaml")];
    expect(await filesInLabel(both.join(","), "/")).toEqual(both);
    expect(await filesInLabel("one.yaml,two.yaml", join(root.path, "a"))).not.toEqual([]);
    expect(await filesInLabel("", "/")).toEqual([]);
  });

  it("are whole in a message if they are gone", async () => {
    const gone = ["/gone/My stack, new/compose.yaml", "/gone/b.yaml"];
    expect(await filesInLabel(gone.join(","), "/")).toEqual(gone);
  });
});

it("a path with a comma is given in double quotes", () => {
  const spec = { kind: "paths", commands: [], about: "" } as const;
  const read = (text: string) =>
    readValue("compose-files", spec as never, text, { workingDirectory: "/w", home: undefined });
  expect(read('"a, b/compose.yaml",c.yaml\nd.yaml, e.yaml')).toEqual([
    ...["/w/a, b/compose.yaml", "/w/c.yaml", "/w/d.yaml", "/w/e.yaml"],
  ]);
});

it("chooses profiles that contain what runs, and rather no other service", () => {
  const service = (...profiles: string[]) => ({ profiles });
  const model = {
    name: "shop",
    services: {
      web: {},
      ...{ debug: service("all", "debug"), tool: service("all"), job: service("jobs") },
      ...{ trace: service("debug") },
    },
  } as unknown as ComposeModel;
  expect(profilesFor(model, ["web"])).toEqual([]);
  expect(profilesFor(model, ["web", "debug", "trace"])).toEqual(["debug"]);
  expect(profilesFor(model, ["web", "debug", "tool"])).toEqual(["all"]);
  expect(profilesFor(model, ["web", "job", "trace"])).toEqual(["debug", "jobs"]);
});
