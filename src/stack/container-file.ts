import { buffer } from "node:stream/consumers";
import type { Engine } from "./engine.ts";
import { orMissing } from "./inspect.ts";

const blockBytes = 512;
const extension = /[xgLK]/;

/**
 * The content of a small file inside a container, running or not; undefined if there is no such file.
 *
 * @param path - absolute, in the container; a link is not followed
 */
export async function readContainerFile(
  { docker }: Pick<Engine, "docker">,
  container: string,
  path: string,
): Promise<Buffer | undefined> {
  const answer = await orMissing(docker.getContainer(container).getArchive({ path }));
  return answer === undefined ? undefined : onlyFile(await buffer(answer));
}

/** The engine answers with a tar of one member, which extensions for a long name may precede. */
function onlyFile(tar: Buffer): Buffer | undefined {
  for (let at = 0; at + blockBytes <= tar.length; ) {
    const type = String.fromCharCode(tar[at + 156] ?? 0);
    const bytes = Number.parseInt(tar.toString("latin1", at + 124, at + 135), 8);
    if (!Number.isInteger(bytes)) return undefined;
    const from = at + blockBytes;
    if (!extension.test(type)) {
      return type === "0" || type === "\0" ? tar.subarray(from, from + bytes) : undefined;
    }
    at = from + Math.ceil(bytes / blockBytes) * blockBytes;
  }
  return undefined;
}
