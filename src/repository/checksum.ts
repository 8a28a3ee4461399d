import { createHash } from "node:crypto";
import { type FileHandle, lstat, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describeError } from "../core/errors.ts";
import { sha256Hex } from "../core/hash.ts";
import { NotAFileError, openRegularFile, readRegularFile } from "../core/regular-file.ts";
import { keyFingerprint, signerOf } from "../core/ssh-signature.ts";
import {
  basesOf,
  type Component,
  type ComponentBase,
  type Manifest,
  manifestFile,
  manifestLimitBytes,
  NewerManifestError,
  parseManifest,
  sealedManifestFile,
  sealedSignatureHash,
  signatureFile,
} from "../model/manifest.ts";
import type { Check } from "../model/result.ts";
import { signatureLimitBytes } from "./origin.ts";
import type { ProvenSums } from "./proven-sums.ts";
import { readBlocks } from "./read-blocks.ts";

/** The result of {@link checkChecksums}. */
interface ChecksumResult {
  readonly checks: readonly Check[];
  /** Undefined if it is missing or unreadable. */
  readonly manifest: Manifest | undefined;
  readonly manifestSha256: string | undefined;
  /** The backups without which this one cannot be read and that are damaged. */
  readonly damagedAncestors: readonly string[];
}

/** How much is read. */
interface ChecksumOptions {
  readonly signal?: AbortSignal | undefined;
  /** False reads only the backup's own files. */
  readonly ancestors?: boolean;
  /** Compares the backup's own files by sums that were made when their SHA-256 was compared, and adds to them. */
  readonly proven?: ProvenSums;
}

/**
 * The `checksum` level: the manifest is complete and consistent with the directory, every file has its
 * recorded size and SHA-256, nothing is missing and nothing is extra. Needs no identity and no engine.
 *
 * A backup is good only if every backup is that it is made from: they lie beside it, and are read like itself.
 */
export async function checkChecksums(
  directory: string,
  { signal, ancestors: isWithAncestors = true, proven }: ChecksumOptions = {},
): Promise<ChecksumResult> {
  let manifest: Manifest;
  let manifestSha256: string;
  try {
    const text = await readRegularFile(join(directory, manifestFile), manifestLimitBytes, signal);
    manifestSha256 = sha256Hex(text);
    manifest = parseManifest(text);
  } catch (error) {
    signal?.throwIfAborted();
    const check: Check = {
      name: "manifest",
      status: statusOf(error),
      detail: describeError(error),
    };
    const nothing = { manifest: undefined, manifestSha256: undefined, damagedAncestors: [] };
    return { checks: [check], ...nothing };
  }
  const checks: Check[] = [
    { name: "manifest", status: "pass", detail: `${manifest.components.length} components` },
    await checkFileSet(directory, manifest),
  ];
  for (const component of manifest.components) {
    const subject = { name: "checksum", component: component.name };
    const path = join(directory, component.file);
    checks.push(await checkFile(path, component, subject, signal, proven));
  }
  if (manifest.sealed !== undefined) {
    const path = join(directory, sealedManifestFile);
    checks.push(await checkFile(path, manifest.sealed, { name: "sealed manifest" }, signal));
  }
  checks.push(...(await checkSignature(directory, signal)));
  const ancestors = isWithAncestors ? await checkAncestors(directory, manifest, signal) : [];
  checks.push(...ancestors.map(({ check }) => check));
  const damaged = ancestors.filter(({ check }) => check.status === "fail");
  return { checks, manifest, manifestSha256, damagedAncestors: damaged.map(({ id }) => id) };
}

interface AncestorCheck {
  readonly id: string;
  readonly check: Check;
}

/** One check for each ancestor, the parent first; none after one that is not as it was. */
async function checkAncestors(
  directory: string,
  manifest: Manifest,
  signal: AbortSignal | undefined,
): Promise<AncestorCheck[]> {
  const checks: AncestorCheck[] = [];
  const recorded = manifest.components.flatMap(basesOf);
  for (let { parent } = manifest; parent; ) {
    const { id, manifestSha256 } = parent;
    const path = join(dirname(directory), id);
    const found = await checkChecksums(path, { signal, ancestors: false });
    const wrong =
      found.checks.find(({ status }) => status !== "pass") ??
      differenceOf(id, manifestSha256, found, recorded);
    const subject = { name: "ancestor", component: id };
    if (wrong !== undefined) {
      const detail = `${wrong.component ?? wrong.name}: ${wrong.detail}`;
      return [...checks, { id, check: { ...subject, status: wrong.status, detail } }];
    }
    const detail = `${found.manifest?.components.length ?? 0} components`;
    checks.push({ id, check: { ...subject, status: "pass", detail } });
    parent = found.manifest?.parent;
  }
  const missing = recorded.find(({ backup }) => !checks.some(({ id }) => id === backup));
  if (missing !== undefined) {
    const { backup: id } = missing;
    const detail = "a component is made from it, but it is no ancestor";
    checks.push({ id, check: { name: "ancestor", component: id, status: "fail", detail } });
  }
  return checks;
}

/** How an ancestor, good in itself, differs from what its descendant recorded of it. */
function differenceOf(
  id: string,
  manifestSha256: string,
  found: ChecksumResult,
  recorded: readonly ComponentBase[],
): Check | undefined {
  const subject = { name: "manifest", status: "fail" } as const;
  if (found.manifestSha256 !== manifestSha256) {
    return { ...subject, detail: "it is not the one that the backup was made from" };
  }
  const other = recorded.find(
    ({ backup, file, sha256 }) =>
      backup === id &&
      !found.manifest?.components.some((one) => one.file === file && one.sha256 === sha256),
  );
  if (other === undefined) return undefined;
  return { ...subject, detail: `it does not have the ${other.file} that the backup was made from` };
}

/** A signature that is not of this manifest proves a change, whoever made it. An unsigned backup has no check. */
async function checkSignature(directory: string, signal?: AbortSignal): Promise<Check[]> {
  const subject = { name: "signature" };
  const checks: Check[] = [];
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    const sha256 = sealedSignatureHash(name);
    try {
      if (sha256 !== undefined) {
        const { size: bytes } = await lstat(path);
        checks.push(await checkFile(path, { bytes, sha256 }, subject, signal));
      } else if (name === signatureFile) {
        if (!(await lstat(path)).isFile()) throw new NotAFileError("it is not a regular file");
        const signature = await readRegularFile(path, signatureLimitBytes, signal);
        const text = await readRegularFile(
          join(directory, manifestFile),
          manifestLimitBytes,
          signal,
        );
        const detail = `by ${keyFingerprint(signerOf(text, signature))}`;
        checks.push({ ...subject, status: "pass", detail });
      }
    } catch (error) {
      signal?.throwIfAborted();
      checks.push({ ...subject, status: statusOf(error), detail: describeError(error) });
    }
  }
  return checks;
}

async function checkFileSet(directory: string, manifest: Manifest): Promise<Check> {
  const found = new Set(await readdir(directory));
  const expected = new Set([manifestFile, ...manifest.components.map(({ file }) => file)]);
  const encrypted = manifest.components.some(({ encryption }) => encryption === "age");
  if (encrypted || manifest.sealed !== undefined) {
    expected.add(sealedManifestFile);
  }
  if (found.has(signatureFile)) expected.add(signatureFile);
  const sealedSignatures = [...found].filter((file) => sealedSignatureHash(file) !== undefined);
  // The encrypted one is a copy for other places: with it alone the own one is missing, without it the copy.
  if (sealedSignatures.length > 0) expected.add(signatureFile);
  if (encrypted && found.has(signatureFile)) {
    expected.add(sealedSignatures[0] ?? "the encrypted signature");
  }
  const missing = [...expected].filter((file) => !found.has(file));
  const extra = [...found].filter((file) => !expected.has(file));
  const own = [manifestFile, sealedManifestFile];
  const files = [...own, ...manifest.components.map(({ file }) => file)];
  const names = manifest.components.map(({ name }) => name);
  const twice = new Set(files).size < files.length || new Set(names).size < names.length;
  const problems = [
    ...missing.map((file) => `${file} is missing`),
    ...extra.map((file) => `${file} is not in the manifest`),
    ...(twice ? ["two components have the same name or file"] : []),
  ];
  return {
    name: "files",
    status: problems.length === 0 ? "pass" : "fail",
    detail: problems.length === 0 ? `${expected.size} files` : problems.join("; "),
  };
}

async function checkFile(
  path: string,
  recorded: Pick<Component, "bytes" | "sha256">,
  base: Pick<Check, "name" | "component">,
  signal: AbortSignal | undefined,
  proven?: ProvenSums,
): Promise<Check> {
  try {
    // A link would leave its bytes behind when the directory is copied.
    if (!(await lstat(path)).isFile()) {
      return { ...base, status: "fail", detail: "is not a regular file" };
    }
    await using handle = await openRegularFile(path);
    const { size } = await handle.stat();
    if (size !== recorded.bytes) {
      const detail = `has ${size} bytes instead of ${recorded.bytes}`;
      return { ...base, status: "fail", detail };
    }
    const { sha256 } = recorded;
    const same = await (proven?.isContent(handle, sha256, signal) ??
      hasSha256(handle, sha256, signal));
    const detail = same ? `${recorded.bytes} bytes` : "its content has changed (SHA-256 differs)";
    return { ...base, status: same ? "pass" : "fail", detail };
  } catch (error) {
    if (signal?.aborted === true) throw error;
    return { ...base, status: statusOf(error), detail: describeError(error) };
  }
}

async function hasSha256(
  handle: FileHandle,
  sha256: string,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const hash = createHash("sha256");
  await readBlocks(handle, (block) => void hash.update(block), signal);
  return hash.digest("hex") === sha256;
}

/** Only what lies there proves damage: a host that cannot read it says nothing about the backup. */
export function statusOf(error: unknown): "fail" | "unverifiable" {
  if (error instanceof NewerManifestError) return "unverifiable";
  if (error instanceof NotAFileError) return "fail";
  const code = error instanceof Error && "code" in error ? String(error.code) : undefined;
  return code === undefined || ["ENOENT", "ENOTDIR", "ELOOP"].includes(code)
    ? "fail"
    : "unverifiable";
}
