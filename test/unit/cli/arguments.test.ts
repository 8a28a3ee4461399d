import { expect, it } from "vitest";
import { parseArguments } from "../../../src/cli/arguments.ts";
import { commandNames } from "../../../src/options/commands.ts";

const parse = (line: string) => parseArguments(line.split(" ").filter(Boolean), commandNames);

it("reads flags with values, joined values and repeated lists", () => {
  expect(parse("backup --repository=/b --dry-run --exclude a --exclude b,c --keep-last 3")).toEqual(
    {
      kind: "run",
      command: "backup",
      raw: { repository: "/b", "dry-run": "true", exclude: "a\nb,c", "keep-last": "3" },
      idle: [],
    },
  );
});

it("tells flags that mean nothing to the command", () => {
  expect(parse("list --soak 5m")).toMatchObject({ idle: ["soak"] });
});

it.each([
  ["", "no command given: give one of backup, verify,"],
  ["bakcup", 'unknown command "bakcup": did you mean backup?'],
  ["backup --recipient x", "unknown flag --recipient: did you mean --recipients?"],
  ["backup --project x", "unknown flag --project: it is called --project-name"],
  ["backup --xyzzy", "unknown flag --xyzzy: see --help"],
  ["backup -x", "unknown flag -x: see --help"],
  ["backup extra", 'unexpected word "extra": backup takes flags only'],
  ["backup --repository", "--repository has no value: write --repository VALUE"],
  ["backup --repository --json", "--repository has no value"],
  ["backup --repository /a --repository /b", "--repository is given twice"],
  ["backup --passphrase open", "--passphrase on the command line can be read by every user"],
])("refuses %j", (line, message) => {
  expect(() => parse(line)).toThrow(message);
});

it("does not offer what this build lacks", () => {
  expect(() => parseArguments(["verify"], ["backup"])).toThrow(
    "verify is not part of this version: it offers backup",
  );
  expect(() => parseArguments(["backup", "--soak", "5m"], ["backup"])).toThrow(
    "unknown flag --soak",
  );
});

it.each(["--help", "-h", "help", "help backup", "backup --help", "backup --nonsense -h"])(
  "%s asks for help",
  (line) => {
    expect(parse(line).kind).toBe("help");
  },
);
