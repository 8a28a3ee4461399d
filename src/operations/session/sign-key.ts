import { mkdir } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join, sep } from "node:path";
import { createFile } from "../../core/durable.ts";
import { describeError, RefusedError } from "../../core/errors.ts";
import { openRegularFile } from "../../core/regular-file.ts";
import { formatSignKey, newSignKey, parseSignKey, type SignKey } from "../../core/ssh-signature.ts";
import type { Options } from "../../options/parse.ts";

type SignOptions = Pick<Options, "signKey">;

/** The places of the host's own key: the first with a key counts, else the first that can be written. */
function ownPlaces(): string[] {
  if (process.geteuid?.() === 0) {
    return ["/etc/sophon-keeper/sign-key", "/var/lib/sophon-keeper-keys/sign-key"];
  }
  // biome-ignore lint/style/noProcessEnv: where a user keeps data is told by the environment only
  const home = process.env.XDG_DATA_HOME ?? "";
  const data = home.startsWith("/") ? home : join(homedir(), ".local/share");
  return [join(data, "sophon-keeper-keys/sign-key")];
}

/** The directory in which the key that signs backups stays. */
export function signKeyDirectory({ signKey }: SignOptions): string {
  return dirname(signKey ?? ownPlaces()[0] ?? "");
}

/**
 * The key that signs backups: the given one, or the host's own, which is made on first use.
 *
 * @param repository - a key in it could be read and replaced with the backups, and is refused
 * @returns undefined, with a warning, if no place for a key can be written.
 * @throws RefusedError for a key that cannot be used, or that others can read.
 */
export async function signingKey(
  { signKey }: SignOptions,
  repository: string,
  warn: (message: string) => void,
): Promise<SignKey | undefined> {
  if (signKey !== undefined) {
    if (signKey.startsWith(repository + sep)) {
      throw refused(signKey, "lies in the repository: keep it elsewhere");
    }
    const key = await readKey(signKey);
    if (key === undefined)
      throw refused(signKey, "does not exist: make one with ssh-keygen -t ed25519 -N ''");
    return key;
  }
  const places = ownPlaces();
  for (const path of places) {
    const key = await readKey(path);
    if (key !== undefined) return key;
  }
  const failures: string[] = [];
  for (const path of places) {
    try {
      return await makeKey(path);
    } catch (error) {
      if (error instanceof RefusedError) throw error;
      failures.push(describeError(error));
    }
  }
  warn(
    `the backup is not signed, and its restore needs allow-unsigned: no key could be made (${failures.join("; ")}); give sign-key`,
  );
  return undefined;
}

/** The public keys whose signatures are trusted: those that `trusted-signers` names, else that of this host. */
export async function trustedSigners(
  options: SignOptions & Pick<Options, "trustedSigners">,
): Promise<readonly string[]> {
  if (options.trustedSigners.length > 0) return options.trustedSigners;
  const paths = options.signKey === undefined ? ownPlaces() : [options.signKey];
  const keys = await Promise.all(paths.map(readKey));
  return keys.flatMap((key) => (key === undefined ? [] : [key.publicKey]));
}

/** @returns undefined if there is none. */
async function readKey(path: string): Promise<SignKey | undefined> {
  try {
    await using handle = await openRegularFile(path);
    const { mode, uid, size } = await handle.stat();
    const own = process.geteuid?.();
    if (uid !== own && uid !== 0) throw refused(path, "belongs to another user");
    if ((mode & 0o077) !== 0) throw refused(path, `can be read by others: chmod 600 ${path}`);
    if (size > 64 * 1024) throw refused(path, "is no key");
    return parseSignKey(await handle.readFile("utf8"));
  } catch (cause) {
    if (cause instanceof RefusedError) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw refused(path, `cannot be used (${describeError(cause)})`, cause);
  }
}

/** Of two runs, the first one's key counts. */
async function makeKey(path: string): Promise<SignKey> {
  await mkdir(dirname(path), { recursive: true, mode: 0o755 });
  const key = newSignKey();
  const comment = "sophon-keeper";
  if (!createFile(path, formatSignKey(key, comment), 0o600)) {
    const other = await readKey(path);
    if (other === undefined) throw new Error(`${path} is there, but leads nowhere`);
    return other;
  }
  try {
    // Only a help for people: the public half can be told from the private one.
    createFile(`${path}.pub`, `${key.publicKey} ${comment}\n`, 0o644);
  } catch {
    // The key itself is there.
  }
  return key;
}

function refused(path: string, wrong: string, cause?: unknown): RefusedError {
  return new RefusedError(`sign-key: ${path} ${wrong}`, {
    class: "sign-key",
    ...(cause === undefined ? {} : { cause }),
  });
}
