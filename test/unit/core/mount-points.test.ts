import { expect, test } from "vitest";
import { mountPoints } from "../../../src/core/mount-points.ts";

test("mount points are told with blanks, backslashes and letters beyond ASCII", () => {
  const paths = ["/srv/a b", "/srv/tab\there", "/srv/back\\slash", "/srv/größe", "/srv/数据"];
  const escaped = (path: string) =>
    Buffer.from(path)
      .toString("latin1")
      .replace(/[ \t\\]/g, (one) => `\\${one.charCodeAt(0).toString(8).padStart(3, "0")}`);
  const lines = paths.map((path) => `36 35 98:0 / ${escaped(path)} rw - ext4 /dev/sda rw\n`);
  expect(mountPoints(lines.join(""))).toEqual(paths);
});

test("the mount points of this machine are among them", () => {
  expect(mountPoints()).toEqual(expect.arrayContaining(["/", "/proc"]));
});
