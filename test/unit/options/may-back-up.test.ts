import { expect, it } from "vitest";
import type { RawInputs } from "../../../src/options/input-files.ts";
import { mayBackUp, parseOptions } from "../../../src/options/parse.ts";

const recipients = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

it.each<[RawInputs, boolean]>([
  [{ backup: "fresh", recipients }, true],
  // Of the latest, if it is too old and the inputs say how a new one is encrypted.
  [{ recipients }, true],
  [{ unencrypted: "true" }, true],
  [{ passphrase: "correct horse battery staple" }, true],
  [{}, false],
  [{ backup: "app-20260102T030405Z-00aa", recipients }, false],
  [{ backup: "/srv/by-hand", recipients }, false],
])("a rehearsal with %j makes a backup of the live stack: %s", (raw, expected) => {
  const places = { workingDirectory: "/", home: undefined };
  const options = parseOptions("upgrade-test", { target: "rehearsal", ...raw }, places);
  expect(mayBackUp(options)).toBe(expected);
});
