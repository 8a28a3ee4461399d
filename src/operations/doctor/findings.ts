import { formatBytes, formatSeconds } from "../../core/format.ts";
import { isDatedInFuture } from "../../model/retention.ts";

/** What one question of the doctor came to: an answer that is fine, one that a person should know, or one to mend. */
export interface Finding {
  readonly status: "pass" | "warn" | "fail";
  readonly name: string;
  readonly detail: string;
}

const day = 86_400_000;
/** The growth of a backup from one night to the next that is reckoned with. */
const growth = 1.25;

/** Node 24 is what the program is built for. */
export function judgeNode(version: string): Finding {
  const isOld = Number(/\d+/.exec(version)?.[0] ?? 0) < 24;
  const name = "node";
  if (isOld)
    return { status: "fail", name, detail: `${version} is too old: install Node 24 or newer` };
  return { status: "pass", name, detail: version };
}

/** Only GNU tar keeps holes, owners and attributes the way the archives need them. */
export function judgeTar(firstLine: string | undefined): Finding {
  const name = "tar";
  if (firstLine === undefined) {
    return { status: "fail", name, detail: "is missing: install GNU tar" };
  }
  if (firstLine.includes("GNU tar")) return { status: "pass", name, detail: firstLine };
  return { status: "fail", name, detail: `${firstLine} is not GNU tar: install GNU tar` };
}

/** File systems of other machines: their times and locks cannot be trusted. By the names of `stat --file-system`. */
const networks = /^(nfs|nfs4|cifs|smb|smb2|fuseblk|fuse\S*|9p|v9fs|ceph|glusterfs|afs)$/;

/** File systems in memory. */
const volatile = /^(tmpfs|ramfs)$/;
/** File systems that round times to a second or two, so that a change can go unseen, and that keep no owners. */
const coarse = /^(msdos|vfat|exfat)$/;

/** The file system of the data, or of the repository. */
export function judgeFileSystem(name: "data" | "repository", path: string, type: string): Finding {
  const on = `${path} is on ${type}`;
  if (volatile.test(type)) {
    const detail = `${on}, in memory: it is gone with the next start of the host; use a directory on a disk`;
    return { status: name === "repository" ? "fail" : "warn", name, detail };
  }
  if (coarse.test(type)) {
    const detail = `${on}: it rounds times and keeps no owners; use a file system of Linux`;
    return { status: "warn", name, detail };
  }
  if (!networks.test(type)) return { status: "pass", name, detail: on };
  const why = "its times and locks cannot be trusted, and copies take long";
  return { status: "warn", name, detail: `${on}: ${why}` };
}

/** Whether a rollback copy of the data shares blocks with it. */
export function judgeReflinks(path: string, isShared: boolean | undefined): Finding[] {
  if (isShared === undefined) return [];
  const detail = isShared
    ? `the file system of ${path} has them: a rollback copy takes almost no room and time`
    : `the file system of ${path} has none: a rollback copy takes as much room as the data`;
  return [{ status: "pass", name: "reflinks", detail }];
}

/** A broken disk must not take data and backups at once. */
export function judgeDisks(repositoryDevice: number, dataDevices: readonly number[]): Finding {
  const name = "disks";
  if (!dataDevices.includes(repositoryDevice)) {
    return {
      status: "pass",
      name,
      detail: "the repository is on another file system than the data",
    };
  }
  const detail =
    "the repository is on the same file system as the data: upload backups off this host";
  return { status: "warn", name, detail };
}

/** Room for the next backup, or for the copy that an upgrade can go back to. */
export function judgeRoom(
  what: string,
  { path, neededBytes, freeBytes }: { path: string; neededBytes: number; freeBytes: number },
): Finding {
  const name = `room for ${what}`;
  const detail = `${path} has ${formatBytes(freeBytes)} free, about ${formatBytes(neededBytes)} are needed`;
  if (freeBytes >= neededBytes * growth) return { status: "pass", name, detail };
  const isEnough = freeBytes >= neededBytes;
  return { status: isEnough ? "warn" : "fail", name, detail: `${detail}: free space` };
}

/** A backup as far as the doctor looks at it. */
interface KnownBackup {
  readonly id: string;
  readonly createdAtMs: number | undefined;
  readonly level: string | null;
  readonly isEncrypted: boolean | undefined;
  readonly problem: string | undefined;
}

/** Whether there is a young backup that can be restored, as far as is known. */
export function judgeBackups(backups: readonly KnownBackup[], nowMs: number): Finding[] {
  const name = "newest backup";
  const good = backups.find(({ problem }) => problem === undefined);
  const damaged = backups.filter(({ problem }) => problem !== undefined);
  const bad = damaged.map(
    ({ id, problem }): Finding => ({ status: "fail", name: "backup", detail: `${id}: ${problem}` }),
  );
  if (good === undefined) {
    const detail =
      "there is none: run `sophon-keeper backup`, or `sophon-keeper init` the first time";
    return [...bad, { status: "fail", name, detail }];
  }
  if (isDatedInFuture(new Date(good.createdAtMs ?? nowMs), new Date(nowMs))) {
    const detail = `${good.id} is dated in the future: set the clock of this host, and see when backups are made`;
    return [...bad, { status: "fail", name, detail }];
  }
  const ageMs = nowMs - (good.createdAtMs ?? nowMs);
  const age = `${good.id} is ${formatSeconds(Math.max(0, ageMs) / 1000)} old`;
  const isOld = ageMs > 2 * day;
  const sealed =
    good.isEncrypted === false
      ? [
          {
            status: "warn",
            name: "encryption",
            detail: "the newest backup is not encrypted: give recipients",
          } as const,
        ]
      : [];
  const detail = isOld ? `${age}: does the schedule still run?` : age;
  return [
    ...bad,
    { status: isOld ? "fail" : "pass", name, detail },
    ...sealed,
    judgeLevel(backups, nowMs),
  ];
}

/** So long the last test restore may be ago. */
const weekMs = 7 * day;

function judgeLevel(backups: readonly KnownBackup[], nowMs: number): Finding {
  const name = "verified";
  // From the strongest on, the newest of each.
  const newest = ["restore", "contents", "checksum"].flatMap((level) =>
    backups.filter((backup) => backup.level === level).slice(0, 1),
  );
  const [best] = newest;
  if (best === undefined) {
    return {
      status: "warn",
      name,
      detail: "no backup was ever verified: run `sophon-keeper verify`",
    };
  }
  const levels = newest.map(({ id, level, createdAtMs }) => {
    const age = formatSeconds(Math.max(0, nowMs - (createdAtMs ?? nowMs)) / 1000);
    return `${level}: ${id}, ${age} old`;
  });
  const detail = levels.join("; ");
  const isOld = nowMs - (best.createdAtMs ?? nowMs) > weekMs;
  if (best.level === "restore" && !isOld) return { status: "pass", name, detail };
  const fix = "nothing proves a backup like `sophon-keeper verify --level restore`";
  return { status: "warn", name, detail: `${detail}; ${fix}` };
}

/** A container as far as the doctor looks at it. */
interface KnownContainer {
  readonly service: string;
  readonly state: string;
  readonly health: string;
}

/** Whether the stack is well now: a sick one is neither upgraded nor a good base for a backup. */
export function judgeContainers(containers: readonly KnownContainer[]): Finding[] {
  const sick = containers.filter(
    ({ state, health }) => health === "unhealthy" || state === "restarting" || state === "dead",
  );
  if (sick.length === 0) {
    return [{ status: "pass", name: "containers", detail: `${containers.length}, none is sick` }];
  }
  return sick.map(({ service, state, health }) => {
    const what = health === "unhealthy" ? health : state;
    return { status: "fail", name: "containers", detail: `${service} is ${what}: see its log` };
  });
}

/** The programs that open a backup without this one. The program itself does not need them. */
export function judgeTools(found: Readonly<Record<string, string | undefined>>): Finding[] {
  return Object.entries(found).map(([name, version]) => {
    if (version !== undefined) return { status: "pass", name, detail: version };
    const detail = "is not on this host: install it, to open a backup by hand";
    return { status: "warn", name, detail };
  });
}

/** The socket of the engine, as far as its file tells who may use it. */
interface SocketRights {
  readonly path: string;
  readonly mode: number;
  /** The name of its group, and the users who are in it. */
  readonly group: string;
  readonly members: readonly string[];
  /** The containers that have it mounted. */
  readonly holders: readonly string[];
}

/** Who may reach the engine is root on this host: with it any directory can be mounted into a container. */
export function judgeSocket({ path, mode, group, members, holders }: SocketRights): Finding {
  const name = "engine access";
  if ((mode & 0o002) !== 0) {
    return { status: "fail", name, detail: `everybody may use ${path}: chmod o-rw ${path}` };
  }
  const others = (mode & 0o020) === 0 ? [] : members;
  const byGroup = others.length === 0 ? "" : `, and ${others.join(", ")} by the group ${group}`;
  const byMount = holders.length === 0 ? "" : `, and the containers ${holders.join(", ")}`;
  return { status: "pass", name, detail: `root${byGroup}${byMount}` };
}

/** What the engine itself warns of: an address at which it takes orders from the network. */
export function judgeOpenPorts(warnings: readonly string[]): Finding[] {
  return warnings
    .filter((warning) => /API is accessible on/i.test(warning))
    .map((warning): Finding => {
      const said = warning.split("\n")[0]?.replace(/^WARNING:\s*/, "") ?? "";
      const detail = `${said} Whoever reaches it is root here: take that address out of the engine's hosts, or demand certificates`;
      return { status: "fail", name: "engine access", detail };
    });
}

/**
 * Whether the private keys of recipients are at hand. A recovery key is kept elsewhere, so that some are missing is no failure;
 * that all are missing may be a recipient that nobody can open anything with.
 */
export function judgeKeysAtHand(
  recipients: readonly string[],
  opened: readonly (string | undefined)[],
): Finding[] {
  const name = "recipients";
  const missing = recipients.filter((recipient) => !opened.includes(recipient));
  if (recipients.length === 0) return [];
  const detail = `${recipients.length - missing.length} of ${recipients.length} with their private key at hand`;
  if (missing.length === 0) return [{ status: "pass", name, detail }];
  const shown = missing.map((recipient) => `${recipient.slice(0, 12)}...`).join(", ");
  const fix = `make sure that somebody has the private key of ${shown}, and give it once as identity`;
  return [{ status: "warn", name, detail: `${detail}: ${fix}` }];
}

/** The newest copy that is proven off this host. */
export function judgeOffHost(
  newest: { readonly backupId: string; readonly createdAt: string } | undefined,
  nowMs: number,
): Finding {
  const name = "off this host";
  if (newest === undefined) {
    const detail =
      "no copy is proven: a broken disk or a thief takes data and backups; see docs/off-host.md";
    return { status: "warn", name, detail };
  }
  const ageMs = Math.max(0, nowMs - Date.parse(newest.createdAt));
  const detail = `${newest.backupId} is ${formatSeconds(ageMs / 1000)} old`;
  if (ageMs <= 2 * day) return { status: "pass", name, detail };
  return { status: "warn", name, detail: `${detail}: are backups still uploaded?` };
}
