import { join } from "node:path";
import { unpackTar } from "../../archive/tar/pack-tar.ts";
import { UnverifiableError } from "../../core/errors.ts";
import { clearDirectory } from "../../core/temp.ts";
import type { Component, Manifest } from "../../model/manifest.ts";
import { openComponent, readRequest, type SourceOptions } from "../../stores/reader.ts";
import { FILES } from "../../stores/stack-files/pack.ts";
import { readStackFiles, type StackFiles } from "../../stores/stack-files/stack-files.ts";

/** The compose model of a backup, and its source files. */
export interface StackSource extends StackFiles, AsyncDisposable {
  /** The unpacked path of each file, by its path on the stack's host. Removed when this is disposed. */
  readonly files: Readonly<Record<string, string>>;
}

/**
 * Unpacks the compose model and its files into a temporary directory.
 *
 * @throws UnverifiableError if the backup does not contain them.
 */
export async function openStackSource(
  manifest: Manifest,
  source: SourceOptions,
  signal: AbortSignal,
): Promise<StackSource> {
  const component = stackComponent(manifest);
  const directory = await clearDirectory("sophon-keeper-stack-", {
    bytes: component.plainBytes,
    forEngine: true,
  });
  try {
    const stack = await stackOf(manifest, source, signal);
    const owners = process.geteuid?.() === 0;
    await unpackTar({ ...readRequest(source, component), into: directory.path, owners, signal });
    const at = (path: string) => join(directory.path, FILES + path);
    return {
      ...stack,
      files: Object.fromEntries(stack.index.roots.map((path) => [path, at(path)])),
      [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
    };
  } catch (error) {
    await directory[Symbol.asyncDispose]();
    throw error;
  }
}

/**
 * The compose model of a backup and the index of its files, without the files themselves.
 *
 * @throws UnverifiableError if the backup does not contain them.
 */
export async function stackOf(
  manifest: Manifest,
  source: SourceOptions,
  signal: AbortSignal,
): Promise<StackFiles> {
  const component = stackComponent(manifest);
  const open = async () => openComponent(source, component, signal);
  return await readStackFiles(component, { open });
}

function stackComponent({ components }: Manifest): Component {
  const component = components.find(({ store }) => store === "stack");
  if (component !== undefined) return component;
  throw new UnverifiableError("the backup contains no compose model");
}
