/** The list of a backup's files off this host. It is written last: without it there is no backup. */
export const checksumsFile = "SHA256SUMS";
/** Its signature in OpenSSH's format, by the host that sent the backup. It is written just before the list itself. */
export const checksumsSignatureFile = "SHA256SUMS.sig";

const line = /^([0-9a-f]{64}) [ *]([a-zA-Z0-9][a-zA-Z0-9._-]*)$/;

/** The text of `SHA256SUMS`, in the form that `sha256sum -c` reads. */
export function formatChecksums(files: readonly { name: string; sha256: string }[]): string {
  return files.map(({ name, sha256 }) => `${sha256}  ${name}\n`).join("");
}

/**
 * The SHA-256 of each file that a `SHA256SUMS` names.
 *
 * @throws Error for a line of another form, a name that could leave the directory, and a file that is named twice.
 */
export function parseChecksums(text: string): Map<string, string> {
  const sums = new Map<string, string>();
  for (const one of text.split("\n").filter((row) => row !== "")) {
    const [, sha256 = "", name = ""] = line.exec(one) ?? [];
    if (name === "" || sums.has(name)) {
      throw new Error(`${checksumsFile} has the line "${one.slice(0, 120)}"`);
    }
    sums.set(name, sha256);
  }
  if (sums.size === 0) throw new Error(`${checksumsFile} names no file`);
  return sums;
}
