// Project names never start with a dot; the directory of an unfinished backup does.
const pattern = /^(?<project>[^.].*)-(?<stamp>\d{8}T\d{6}Z)-(?<random>[0-9a-f]{4})$/;

/** The id of a backup: `<project>-<UTC yyyymmddThhmmssZ>-<4 hex>`. `random` gives the four digits. */
export function backupId(project: string, time: Date, random: string): string {
  const stamp = time.toISOString().replaceAll(/[-:]/g, "").replace(/\.\d+/, "");
  return `${project}-${stamp}-${random}`;
}

/** Whether a directory name can be the id of a complete backup. */
export function isBackupId(name: string): boolean {
  return pattern.test(name);
}

/** The project in the id of a backup; undefined for a name that is no backup id. */
export function projectOfBackup(id: string): string | undefined {
  return pattern.exec(id)?.groups?.project;
}

/** The time in the id of a backup, according to the clock of the host. */
export function timeOfBackup(id: string): Date {
  const digits = pattern.exec(id)?.groups?.stamp?.replaceAll(/\D/g, "") ?? "";
  return new Date(digits.replace(/^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/, "$1-$2-$3T$4:$5:$6Z"));
}
