import { expect, it } from "vitest";
import { parseRcloneAddress } from "../../../src/destinations/rclone-address.ts";
import { RcloneStore } from "../../../src/destinations/rclone-store.ts";
import { rcloneSubject } from "./rclone-subject.ts";
import { remoteConformance } from "./remote-conformance.ts";

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
