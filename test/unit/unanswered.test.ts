import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { systemClock } from "../../src/core/clock.ts";
import { UnverifiableError } from "../../src/core/errors.ts";
import type { TransferContext } from "../../src/destinations/object-store.ts";
import { RcloneStore } from "../../src/destinations/rclone-store.ts";
import type { Message } from "../../src/notify/message.ts";
import { send } from "../../src/notify/send.ts";
import { stubFolder } from "./stub-folder.ts";

// Programs that never end must not keep a run for a night.

const folder = stubFolder();

const message = { title: "t", text: "a text", isGood: true, host: "h" } as unknown as Message;
const mail = { kind: "sendmail", url: "ada@example.org", label: "x" } as const;
const clock = { ...systemClock, sleep: async () => undefined };

test("a sendmail that never ends is ended, and its address is not repeated", async () => {
  await folder.add("sendmail", "exec sleep 1000");
  const sending = send(mail, message, { clock, attemptMs: 200 });
  await expect(sending).rejects.toThrow("it did not end within 0.2 s");
  await folder.add("sendmail", "echo refused >&2; exit 75");
  const refused = send(mail, message, { clock, attemptMs: 60_000 });
  await expect(refused).rejects.toThrow(/exited with 75: refused/);
  await expect(refused).rejects.not.toThrow(/ada@/);
});

test("sendmail gets the message", async () => {
  const got = join(folder.path, "got");
  await folder.add("sendmail", `echo "$@" >${got}; cat >>${got}`);
  await send(mail, message, { clock, attemptMs: 60_000 });
  const text = await readFile(got, "utf8");
  expect(text).toMatch(/^-i -f sophon-keeper@h ada@example\.org\n/);
  expect(text).toContain("\nTo: ada@example.org\n");
  expect(text).toContain("\n\na text");
});

test("an rclone that never answers is unreachable", async () => {
  await folder.add("rclone", "exec sleep 1000");
  const store = new RcloneStore({
    ...{ place: "r:p", limit: undefined, retryForMs: 0, answerMs: 200 },
  });
  const context = {
    ...{ clock, signal: new AbortController().signal },
    reporter: { info: () => undefined },
  } as unknown as TransferContext;
  const listing = store.list("", context);
  await expect(listing).rejects.toThrow(UnverifiableError);
  await expect(listing).rejects.toThrow("rclone did not answer in time");
});
