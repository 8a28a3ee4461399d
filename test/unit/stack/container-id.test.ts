import { expect, test } from "vitest";
import { containerIdIn } from "../../../src/stack/container-id.ts";

const id = "0123456789abcdef".repeat(4);

test.each([
  [
    "/var/lib/docker",
    `100 90 8:1 /var/lib/docker/containers/${id}/hosts /etc/hosts rw - ext4 /dev/sda rw`,
  ],
  [
    "a file system of its own",
    `100 90 8:2 /containers/${id}/hostname /etc/hostname rw - ext4 /dev/sdb rw`,
  ],
])("a container is known by what the engine mounts into it: %s", (_, line) => {
  expect(containerIdIn(`1 0 0:1 / / rw - overlay overlay rw\n${line}\n`)).toBe(id);
});

test("a host that stores containers is not taken for one", () => {
  const line = `100 90 0:50 / /var/lib/docker/containers/${id}/mounts/shm rw - tmpfs shm rw`;
  expect(containerIdIn(line)).toBeUndefined();
});
