import { formatBytes, formatSeconds } from "../../core/format.ts";

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

/** The file system of the data, or of the repository. */
export function judgeFileSystem(name: string, path: string, type: string): Finding {
  if (!networks.test(type)) return { status: "pass", name, detail: `${path} is on ${type}` };
  const why = "its times and locks cannot be trusted, and copies take long";
  return { status: "warn", name, detail: `${path} is on ${type}: ${why}` };
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
    judgeLevel(backups),
  ];
}

function judgeLevel(backups: readonly KnownBackup[]): Finding {
  const name = "verified";
  const best = ["restore", "contents", "checksum"].flatMap((level) =>
    backups.filter((backup) => backup.level === level).slice(0, 1),
  )[0];
  if (best === undefined) {
    return {
      status: "warn",
      name,
      detail: "no backup was ever verified: run `sophon-keeper verify`",
    };
  }
  if (best.level === "restore") {
    return { status: "pass", name, detail: `${best.id} by a test restore` };
  }
  const detail = `${best.id} at level ${best.level}; nothing proves it like \`sophon-keeper verify --level restore\``;
  return { status: "warn", name, detail };
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
}

/** Who may reach the engine is root on this host: with it any directory can be mounted into a container. */
export function judgeSocket({ path, mode, group, members }: SocketRights): Finding {
  const name = "engine access";
  if ((mode & 0o002) !== 0) {
    return { status: "fail", name, detail: `everybody may use ${path}: chmod o-rw ${path}` };
  }
  const others = (mode & 0o020) === 0 ? [] : members;
  const who = others.length === 0 ? "" : `, and ${others.join(", ")} by the group ${group}`;
  return { status: "pass", name, detail: `root${who}` };
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
