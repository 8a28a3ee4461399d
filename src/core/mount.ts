/** The value of `--mount`: it refuses a missing source, where `-v` would silently make an empty directory or volume. */
export function mountArgument(mount: {
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
}): string {
  const type = mount.source.startsWith("/") ? "bind" : "volume";
  const fields = [`type=${type}`, `source=${mount.source}`, `target=${mount.target}`];
  if (type === "volume") fields.push("volume-nocopy");
  if (mount.readOnly) fields.push("readonly");
  // The value is one line of CSV (docker/cli `opts/mount.go`).
  return fields
    .map((field) => (/[",\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field))
    .join(",");
}
