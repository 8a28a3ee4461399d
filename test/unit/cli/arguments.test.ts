import { expect, it } from "vitest";
import { parseArguments } from "../../../src/cli/arguments.ts";
import { commandHelp } from "../../../src/cli/help.ts";
import { commandNames } from "../../../src/options/command-names.ts";

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
  ["", "no command given: give one of init, backup, verify,"],
  ["bakcup", 'unknown command "bakcup": did you mean backup?'],
  ["backup --recipient x", "unknown flag --recipient: did you mean --recipients?"],
  ["backup --project x", "unknown flag --project: it is called --project-name"],
  ["backup --xyzzy", "unknown flag --xyzzy: see --help"],
  ["backup -x", "unknown flag -x: see --help"],
  ["backup extra", 'unexpected word "extra": backup takes flags only'],
  ["backup --repository", "--repository has no value: write --repository VALUE"],
  ["backup --repository --json", "--repository has no value"],
  ["backup --repository /a --repository /b", "--repository is given twice"],
  ["backup --keep-daily -x", "--keep-daily has no value"],
  ["backup --passphrase open", "--passphrase on the command line can be read by every user"],
  ["backup --passphrase=open", "--passphrase on the command line can be read by every user"],
  ["restore --health-header X-Key:open", "--health-header on the command line can be read"],
  ["restore --health-url http://a:b@host/", "the password in --health-url on the command line"],
  ["backup --artifact-retention-days 3", "--artifact-retention-days is an input of the action"],
  ["restore --artifact-name x", "--artifact-name is an input of the action"],
])("refuses %j", (line, message) => {
  expect(() => parse(line)).toThrow(message);
});

it("takes a negative number for a value, which the validator then refuses", () => {
  const raw = { "keep-daily": "-1", "max-age": "-36h", "lock-timeout": "-.5s" };
  const line = "prune --keep-daily -1 --max-age -36h --lock-timeout -.5s";
  expect(parse(line)).toMatchObject({ raw });
});

const key = "AGE-SECRET-KEY-1QQQQ";
it.each([
  [["verify", "--identity", key], "the secret key in --identity on the command line"],
  [["verify", `--identity=${key}`], "the secret key in --identity on the command line"],
  [["verify", "--identity", key.toLowerCase()], "the secret key in --identity"],
  [["verify", "--identity", `key.txt,${key}`], "the secret key in --identity"],
  [["verify", "--identity", `# mine\n${key}`], "the secret key in --identity"],
  [["verify", "--identity", "AGE-PLUGIN-YUBIKEY-1QQQQ"], "the secret key in --identity"],
  [["backup", "--recipients", key], "the secret key in --recipients on the command line"],
  [["verify", "--identiy", key], "a secret key on the command line"],
  [["verify", key], "a secret key on the command line can be read by every user"],
  [[key], "a secret key on the command line can be read by every user"],
])(
  "refuses %j, which every user of the host could read, without repeating it",
  (words, message) => {
    const act = () => parseArguments(words, commandNames);
    expect(act).toThrow(message);
    expect(act).toThrow("set SOPHON_KEEPER_IDENTITY, or write --identity FILE");
    expect(act).not.toThrow(/QQQQ/i);
  },
);

it("takes the path of a key file, whatever its name", () => {
  for (const identity of ["key.txt", "./AGE-SECRET-KEY-1", "/keys/AGE-SECRET-KEY-1.txt"]) {
    const words = ["verify", "--identity", identity];
    expect(parseArguments(words, commandNames)).toMatchObject({ raw: { identity } });
  }
});

it("shows in the help of a command only what the command line takes", () => {
  const help = commandNames.map((name) => commandHelp(name)).join("\n");
  expect(help).not.toMatch(/artifact|AGE-SECRET-KEY|the text/);
  expect(help).toContain("--target TEXT");
  expect(commandHelp("upgrade-test")).toContain("--target");
  expect(commandHelp("backup")).not.toContain("--target");
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
