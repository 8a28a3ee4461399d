import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { spawnStream } from "../core/exec.ts";
import { cpAttributesArgs, type ProgramContext, runMarked, tarPackArgs } from "./programs.ts";
import { type Entry, textOf } from "./tree.ts";

const blockBytes = 512;

/**
 * The extended attributes and ACLs of a few files, each as one text to compare (empty where there are none). Node cannot
 * read them, GNU tar can: it writes them into pax headers as `SCHILY.xattr.*` and `SCHILY.acl.*`. It packs a shadow of
 * the files without content, made in the copy's directory, so that no data is read.
 *
 * @param files - their paths must be text; in the order of the result
 */
export async function attributesOfFiles(
  context: ProgramContext,
  root: string,
  files: readonly Entry[],
): Promise<string[]> {
  const paths = files.map(({ path }) => path);
  return await inShadow(context, paths, async (shadow) => {
    await runMarked(context, "cp", cpAttributesArgs(files.map(textOf), shadow), root);
  });
}

/** The same for directories, which have no content that a shadow would spare. */
export async function attributesOfDirectories(
  context: ProgramContext,
  root: string,
  paths: readonly string[],
): Promise<string[]> {
  return readAttributes(await packed(context, root, paths));
}

/** The attributes of every member of an uncompressed pax archive whose members have no content. */
function readAttributes(archive: Buffer): string[] {
  const members: string[] = [];
  let attributes: string[] = [];
  for (let at = 0; at + blockBytes <= archive.length && archive[at] !== 0; ) {
    const size = Number.parseInt(archive.toString("latin1", at + 124, at + 136), 8) || 0;
    const kind = String.fromCharCode(archive[at + 156] ?? 0);
    const body = archive.subarray(at + blockBytes, at + blockBytes + size);
    at += blockBytes + Math.ceil(size / blockBytes) * blockBytes;
    if (kind === "x") {
      attributes = readRecords(body).filter((record) => /^SCHILY\.(xattr|acl)\./.test(record));
    } else {
      members.push(attributes.sort().join("\n"));
      attributes = [];
    }
  }
  return members;
}

async function inShadow(
  context: ProgramContext,
  paths: readonly string[],
  fill: (shadow: string) => Promise<void>,
): Promise<string[]> {
  const shadow = mkdtempSync(join(context.copy, "sophon-keeper-attributes-"));
  try {
    await fill(shadow);
    const found = readAttributes(await packed(context, shadow, paths));
    if (found.length !== paths.length) {
      throw new Error(`tar told the attributes of ${found.length} of ${paths.length} paths`);
    }
    return found;
  } finally {
    rmSync(shadow, { recursive: true, force: true });
  }
}

/** Pax records are `<length> <key>=<value>\n`; the length counts the whole record in bytes. */
function readRecords(body: Buffer): string[] {
  const records: string[] = [];
  for (let at = 0; at < body.length; ) {
    const space = body.indexOf(0x20, at);
    const length = Number(body.toString("latin1", at, space));
    if (!(length > 0)) break;
    records.push(body.toString("latin1", space + 1, at + length - 1));
    at += length;
  }
  return records;
}

async function packed(
  context: ProgramContext,
  root: string,
  paths: readonly string[],
): Promise<Buffer> {
  const addEnv = { LC_ALL: "C" };
  const tar = spawnStream("tar", tarPackArgs(root), {
    addEnv,
    signal: context.signal,
    pipeInput: true,
  });
  const chunks: Buffer[] = [];
  tar.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  const list = paths.map((path) => (path === "" ? "." : `./${path}`)).join("\0");
  tar.stdin.end(Buffer.from(list, "latin1"));
  await tar.done;
  return Buffer.concat(chunks);
}
