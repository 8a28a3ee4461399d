import { join } from "node:path";
import { Readable } from "node:stream";
import type { Identities } from "../archive/age/keys.ts";
import { type ReadRequest, readArchive } from "../archive/read-archive.ts";
import type { Component } from "../model/manifest.ts";

/** The directory of a backup's components, and the keys that open them. Plain JSON, so that a task can receive it. */
export interface SourceOptions {
  readonly directory: string;
  readonly identities: readonly string[];
  readonly passphrase: string | undefined;
  /** Nobody trusted made the backup: device nodes and programs with the rights of their owner are refused. */
  readonly untrusted?: boolean | undefined;
}

/** The part of a context that a task needs to open components. */
export function sourceOf(context: SourceOptions): SourceOptions {
  const { directory, identities, passphrase, untrusted = false } = context;
  return { directory, identities, passphrase, untrusted };
}

/** The request with which the archive layer reads a component. */
export function readRequest(
  source: SourceOptions,
  component: Component,
  signal?: AbortSignal,
): ReadRequest {
  return {
    file: componentPath(source, component),
    compressed: component.compression === "gzip" ? "gzip" : component.compression === "zstd",
    decrypt: component.encryption === "age" ? identitiesOf(source) : undefined,
    // Nothing was recorded of a file that was made by hand.
    plainBytes: component.sha256 === "" ? undefined : component.plainBytes,
    untrusted: source.untrusted,
    signal,
  };
}

/** The plain bytes of a component. They are valid only if the stream ended without an error. */
export function openComponent(
  source: SourceOptions,
  component: Component,
  signal?: AbortSignal,
): Readable {
  return Readable.from(readArchive(readRequest(source, component, signal)));
}

/** The path of a component's file. */
function componentPath(source: SourceOptions, component: Component): string {
  return join(source.directory, component.file);
}

function identitiesOf(source: SourceOptions): Identities {
  return {
    identities: source.identities,
    ...(source.passphrase === undefined ? {} : { passphrase: source.passphrase }),
  };
}
