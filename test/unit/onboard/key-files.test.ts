import { mkdtemp, readFile, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { newKeyPair } from "../../../src/archive/age/keys.ts";
import { keysIn, recipientsIn, recipientsText } from "../../../src/operations/onboard/key-files.ts";

const scratch = () => mkdtemp(join(tmpdir(), "sophon-keeper-keys-"));

it("takes the public half from the private one, and not from a comment that may be of another", async () => {
  const directory = await scratch();
  const [own, other] = [await newKeyPair(), await newKeyPair()];
  const text = `# public key: ${other.recipient}\n${own.identity}\n`;
  await writeFile(join(directory, "backup.key"), text);
  const keys = await keysIn(directory);
  expect(keys.map(({ isNew }) => isNew)).toEqual([false, true, true]);
  expect(keys[0]?.recipient).toBe(own.recipient);
  expect(await readFile(join(directory, "backup.key"), "utf8")).toBe(text);
  expect((await stat(join(directory, "verify.key"))).mode & 0o777).toBe(0o600);
});

it.each([
  ["only a public half", "# public key: RECIPIENT\n"],
  ["a private half that was cut off", "# public key: RECIPIENT\nAGE-SECRET-KEY-1QQQ\n"],
  ["nothing", ""],
])("refuses a key file with %s: nobody could open what is encrypted to it", async (_, text) => {
  const directory = await scratch();
  const { recipient } = await newKeyPair();
  await writeFile(join(directory, "recovery.key"), text.replace("RECIPIENT", recipient));
  await expect(keysIn(directory)).rejects.toThrow("recovery.key is there, but holds no private");
});

it("reads the recipients that it wrote, with what each is for", async () => {
  const path = join(await scratch(), "recipients.txt");
  expect(await recipientsIn(path)).toBeUndefined();
  const made = [
    { recipient: (await newKeyPair()).recipient, about: "your key: off this host" },
    { recipient: (await newKeyPair()).recipient, about: "the recovery key" },
  ];
  await writeFile(path, recipientsText(made));
  expect(await recipientsIn(path)).toEqual(made);
  await writeFile(path, "# nothing\n");
  await expect(recipientsIn(path)).rejects.toThrow("names no recipient");
});
