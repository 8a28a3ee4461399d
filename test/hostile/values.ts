import type { CommandName } from "../../src/options/command-names.ts";
import { type InputName, inputSpec, inputs } from "../../src/options/inputs.ts";
import type { Kind, Row } from "./row.ts";

// Wrong numbers, durations, choices, lists, addresses and secrets, for every input that takes such a value.

const secretKey = "AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ";

const wrong: Readonly<Record<string, readonly string[]>> = {
  integer: ["-1", "0x10", "1e3", "1.5", "many", "9007199254740993", "１"],
  duration: ["36", "-1h", "1 h", "1h-", "h", "1y", "NaN", "1e3s"],
  choice: ["", "nothing", "live,stopped", "CONTENTS"].filter((word) => word !== ""),
  choices: ["s4", "none,s3", "s3;rclone"],
  images: ["postgres", "a=b=c d", "=x", "a=$(id)", "a=b,a=c", '["a=b,c=d"]', "a=b\u0000"].slice(
    0,
    6,
  ),
  modes: ["nothing", "a=", "freeze,freeze", "=freeze"],
  url: ["ftp://x", "javascript:alert(1)", "//host", "http://", "/etc/passwd"],
  recipients: ["age1zzzz", "ssh-rsa AAAA", "/nonexistent"],
  identities: ["/nonexistent", "/dev/zero"],
  signers: ["ssh-rsa AAAA x", "/nonexistent", "/dev/zero"],
  lines: ["(", "[", "(?<a>"],
  flag: ["yes", "1"],
};

function commandOf(name: InputName): CommandName {
  return inputSpec(name).commands[0] as CommandName;
}

function flagsFor(command: CommandName): string[] {
  return command === "backup" || command === "upgrade-test" ? ["--unencrypted"] : [];
}

const names = (Object.keys(inputs) as InputName[]).filter(
  (name) => inputSpec(name).face !== "action",
);

/** One row a value; where many inputs share a kind, each input gets some of the values, and each value some inputs. */
const bad: Row[] = names.flatMap((name, index) => {
  const { kind } = inputSpec(name);
  const values = (wrong[kind] ?? []).filter((_, at) => (at + index) % 3 !== 2);
  if (kind === "flag") return [];
  return values.map(
    (value): Row => ({
      name: `--${name} ${JSON.stringify(value)}`,
      expected: { code: 2, says: new RegExp(name) },
      make: () => {
        const command = commandOf(name);
        const flags = name === "recipients" ? [] : flagsFor(command);
        return { args: [command, ...flags, `--${name}=${value}`] };
      },
    }),
  );
});

/** A key of age in every place where somebody might put it. Nothing may repeat it. */
const secrets: Row[] = [
  ["verify", "--identity", secretKey],
  ["verify", `--identity=${secretKey}`],
  ["verify", "--identity", secretKey.toLowerCase()],
  ["verify", "--identity", `key.txt,${secretKey}`],
  ["verify", "--identity", `@${secretKey}`],
  ["verify", secretKey],
  ["verify", "--backup", secretKey],
  ["backup", "--recipients", secretKey],
  ["backup", "--exclude", `a,${secretKey}`],
  ["verify", "--passphrase", "correct horse"],
  ["verify", "--passphrase=correct horse"],
  ["restore", "--health-header", "Authorization: correct horse"],
  ["restore", "--health-url", "https://user:correct-horse@host/"],
  ["backup", "--notify", "slack+https://hooks.slack.com/correct/horse"],
  ["list", "--upload-endpoint", "https://key:correct-horse@s3.example/"],
  ["list", "--upload-to", "s3://AKID:correct-horse@bucket/x"],
].map(
  (args): Row => ({
    name: `a secret: ${args.join(" ").replace(secretKey, "KEY").slice(0, 60)}`,
    expected: { code: 2 },
    make: () => ({
      args,
      after(_, { stdout, stderr }) {
        const said = stdout + stderr;
        if (/correct.horse|QQQQQQQQ/i.test(said)) throw new Error(`it repeats the secret: ${said}`);
      },
    }),
  }),
);

/** Command lines that mean nothing, or too much. */
const lines: Row[] = [
  [],
  ["no-such-command"],
  ["list", "extra"],
  ["list", "--__proto__", "x"],
  ["list", "--constructor", "x"],
  ["__proto__"],
  ["constructor"],
  ["list", "--repository"],
  ["list", "--repository", ""],
  ["list", "--repository", "/typo"],
  ["list", "--repository", "/etc/passwd"],
  ["list", "--repository", "/etc"],
  ["list", "--repository", "/dev/null"],
  ["list", "--repository", "/proc/self/mem"],
  ["list", "--repository", `/${"x".repeat(300)}`],
  ["list", "--repository", `/${"x/".repeat(3000)}`],
  ["verify", "--repository", "/typo"],
  ["ls", "--repository", "/typo"],
  ["prune", "--keep-last", "1", "--repository", "/typo"],
  ["prune", "--dry-run", "--keep-last", "1", "--repository", "/typo"],
  ["recover", "--repository", "/typo"],
  ["upload", "--upload-to", "s3://bucket", "--repository", "/typo"],
  ["restore", "--target", "/etc/passwd"],
  ["restore", "--target", "/etc"],
  ["prune"],
  ["verify", "--identity", "/dev/null"],
  ["list", "--repository", "/a", "--repository", "/b"],
  ["verify", "--backup", "/dev/zero"],
  ["verify", "--backup", "s3://"],
  ["verify", "--backup", "s3://bucket"],
  ["verify", "--backup", "rclone:"],
  ["restore", "--backup", "artifact"],
  ["verify", "--max-age", "36"],
  ["verify", "--health-timeout", "25d"],
  ["verify", "--trusted-signers", "/dev/null"],
  ["restore", "--only", ","],
  ["list", "--project-name", "../../../etc"],
  ["recover", "--project-name", "a/../b"],
  ["init", "--into", "/proc"],
  ["list", "--remote-max-age", "36"],
].map(
  (args): Row => ({
    name: `a command line: ${JSON.stringify(args).slice(0, 70)}`,
    expected: { code: 2 },
    make: () => ({ args }),
  }),
);

export const badValues: Kind = {
  name: "bad values and command lines",
  rows: [...bad, ...secrets, ...lines],
};
