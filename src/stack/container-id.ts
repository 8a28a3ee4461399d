/** The id of the container with these mounts; undefined outside of one. */
export function containerIdIn(mountinfo: string): string | undefined {
  return /\/([0-9a-f]{64})\/(?:hosts|hostname|resolv\.conf) \/etc\//.exec(mountinfo)?.[1];
}
