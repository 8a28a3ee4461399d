import { expect, it } from "vitest";
import { parseRcloneAddress } from "../../../src/destinations/rclone-address.ts";
import { RcloneStore } from "../../../src/destinations/rclone-store.ts";
import { Remote } from "../../../src/destinations/remote.ts";
import { rcloneSubject } from "./rclone-subject.ts";
import { remoteConformance } from "./remote-conformance.ts";
import { madeBackup, shipmentOf, transferContext } from "./remote-subject.ts";

// The real program on a remote of its own configuration, which lies on this disk.

remoteConformance("rclone", () => rcloneSubject((data) => `type = alias\nremote = ${data}`), {
  isFurther: true,
});

it.each(["rclone:off-site:path/of it", "rclone:off-site:"])("takes %s", (text) => {
  expect(parseRcloneAddress("upload-to", text)).toBe(text.slice("rclone:".length));
});

it.each([
  "rclone:",
  "rclone:/path",
  "rclone::sftp,pass=open:path",
  "rclone:-v:path",
  "rclone:a\n:b",
])("refuses %j", (text) => {
  expect(() => parseRcloneAddress("upload-to", text)).toThrow("is not rclone:REMOTE:PATH");
});

it.each([
  [
    "a remote that nobody configured",
    "nosuch:x",
    "no-remote",
    /^rclone:nosuch:x cannot be read: .*"nosuch"/,
  ],
  ["one that is down", "down:x", "unreachable", /^rclone:down:x[ :].*refused/],
])("tells %s once, in its words", async (_name, place, errorClass, message) => {
  await using subject = await rcloneSubject(
    (data) =>
      `type = alias\nremote = ${data}\n[down]\ntype = webdav\nvendor = other\nurl = http://127.0.0.1:9`,
  );
  expect(subject.endpoint).toBeUndefined();
  const remote = new Remote(new RcloneStore({ place, limit: undefined, retryForMs: 0 }));
  await using backup = await madeBackup();
  const failures = await Promise.all([
    remote.deliver(await shipmentOf(backup), transferContext()).catch((error: unknown) => error),
    remote.list("stack", transferContext()).catch((error: unknown) => error),
  ]);
  expect(failures).toMatchObject([{ exitCode: 3 }, { exitCode: 5 }]);
  for (const failure of failures) {
    expect(failure).toMatchObject({ class: errorClass });
    expect((failure as Error).message).toMatch(message);
    expect((failure as Error).message).not.toMatch(/Error:|CRITICAL|NOTICE/);
  }
});

it("is refused where the program is not there", () => {
  const before = process.env.PATH;
  process.env.PATH = "/nonexistent";
  try {
    const store = new RcloneStore({ place: "off-site:", limit: undefined, retryForMs: 0 });
    expect(() => store.refuseUnready()).toThrow("rclone is not on the PATH");
  } finally {
    process.env.PATH = before;
  }
});
