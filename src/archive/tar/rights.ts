import { RefusedError } from "../../core/errors.ts";
import type { IndexMember } from "../archive-index.ts";

const setIds = 0o6000;

/**
 * Refuses what gives rights to whoever finds it: a device node, or a program that runs with the rights of its owner.
 *
 * @throws RefusedError (class `host-access`) that names the member.
 */
export function refuseRights({ name, type, mode }: IndexMember): void {
  const isDevice = type === "3" || type === "4";
  const isFile = type === "0" || type === "7" || type === "S";
  if (!isDevice && !(isFile && (mode & setIds) !== 0)) return;
  const what = isDevice ? "a device node" : "a setuid or setgid file";
  throw new RefusedError(`the backup is of unknown origin and holds ${what}: ${name}`, {
    class: "host-access",
    hint: "give allow-host-access if you know where the backup comes from",
  });
}
