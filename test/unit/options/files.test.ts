import { expect, it } from "vitest";
import { readReferences } from "../../../src/options/input-files.ts";

const places = { workingDirectory: "/srv", home: "/home/ada" };
const files: Record<string, string> = {
  "/srv/keys.txt": "# two keys\nage1aaa\nage1bbb\n",
  "/home/ada/phrase": "open sesame\n",
};
const readText = async (path: string) => {
  const text = files[path];
  if (text === undefined) throw new Error("ENOENT: no such file");
  return text;
};

it("replaces file references by their text, and leaves keys as they are", async () => {
  const raw = { recipients: "age1ccc,@keys.txt", passphrase: "@~/phrase", "project-name": "@x" };
  const read = await readReferences(raw, places, readText);
  expect(read.recipients).toBe(
    "age1ccc\n# two keys\nage1bbb\n".replace("age1bbb", "age1aaa\nage1bbb"),
  );
  expect(read.passphrase).toBe("open sesame\n");
  expect(read["project-name"]).toBe("@x");
});

it("names the input and the file that cannot be read", async () => {
  await expect(readReferences({ recipients: "agee1x" }, places, readText)).rejects.toThrow(
    /^recipients has "agee1x", which is neither an age recipient nor a readable file \(ENOENT/,
  );
});

it("does not repeat what was given as an identity", async () => {
  await expect(
    readReferences({ identity: "SECRET-STUFF" }, places, async () => {
      throw new Error("ENOENT");
    }),
  ).rejects.not.toThrow(/STUFF/);
});

it.each(["trusted-signers", "notify", "health-header", "identity"] as const)(
  "refuses an empty file for %s, which would silently count as left out",
  async (name) => {
    const read = readReferences({ [name]: "@/empty" }, places, async () => " \n");
    await expect(read).rejects.toThrow(`${name} given but empty`);
  },
);
