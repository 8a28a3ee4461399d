/**
 * The value of `--mount` for `docker run`. The engine refuses a missing path, while `-v` would silently create an empty
 * directory. It still creates a missing volume, so check first that the volume exists.
 *
 * @param mount - `source` is an absolute path or a volume's name.
 */
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
