import { within } from "./shared.ts";

/** Directories of the machine: nothing in them is data of a stack. */
const trees = [
  ...["/boot", "/dev", "/proc", "/sys", "/run", "/var/run"],
  ...["/etc/ssl", "/etc/pki", "/etc/ca-certificates", "/etc/docker", "/usr/share/zoneinfo"],
  ...["/usr/share/ca-certificates", "/usr/local/share/ca-certificates"],
  ...["/lib/modules", "/usr/lib/modules", "/usr/src", "/var/lib/containerd"],
];

/** Files of the machine, and directories that contain the machine. Other paths inside these directories may be data. */
const exact = [
  ...["/", "/bin", "/etc", "/lib", "/lib64", "/sbin", "/usr", "/var", "/var/lib", "/var/log"],
  ...["/etc/fstab", "/etc/group", "/etc/hostname", "/etc/hosts", "/etc/localtime"],
  ...["/etc/machine-id", "/etc/nsswitch.conf", "/etc/os-release", "/etc/passwd"],
  ...["/etc/resolv.conf", "/etc/shadow", "/etc/timezone", "/usr/lib/os-release"],
  ...["/var/lib/dbus/machine-id", "/var/lib/docker"],
  ...["containers", "image", "overlay2", "volumes"].map((name) => `/var/lib/docker/${name}`),
];

/** Disks that a desktop mounts lie inside a system directory. */
const exceptions = ["/run/media"];

/**
 * Whether a host path belongs to the machine and not to the stack, even if a service may write to it: its clock, names
 * and certificates, its devices, the engine's socket and files.
 */
export function isHostPath(path: string): boolean {
  if (exceptions.some((tree) => within(path, tree))) return false;
  const clean = path.replace(/(.)\/+$/, "$1");
  return exact.includes(clean) || trees.some((tree) => within(clean, tree));
}
