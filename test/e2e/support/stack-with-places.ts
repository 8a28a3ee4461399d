import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { healthFile, type SmallStack, smallStack } from "./small-stack.ts";

/** The states of the services of {@link stackWithPlaces} when all is well. */
export const running = "app-1 running healthy; other-1 running";

/** A directory, a single file and a volume, and a service that writes into them only when it is told to. */
export async function stackWithPlaces(name: string): Promise<SmallStack> {
  const app = `image: IMAGE, init: true, command: ["sh", "-c", "touch /tmp/healthy; exec sleep infinity"], volumes: ["DATA/dir:/dir", "DATA/one.conf:/one.conf", "named:/named"], ${healthFile}`;
  const other = `image: IMAGE, init: true, volumes: ["DATA/dir:/dir:ro"]`;
  const stack = await smallStack(name, { app, other }, "volumes: { named: {} }\n");
  await mkdir(join(stack.data, "dir"), { mode: 0o750 });
  await writeFile(join(stack.data, "one.conf"), "", { mode: 0o640 });
  await stack.compose(["up", "--detach", "--wait", "--wait-timeout", "120"]);
  return stack;
}
