import { dirname } from "node:path";
import { TarScanner } from "../../archive/tar/scanner.ts";
import { DamagedError } from "../../core/errors.ts";
import type { TaskMount } from "../../core/task.ts";
import type { Component } from "../../model/manifest.ts";
import type { Check } from "../../model/result.ts";
import type { ComposeModel, Stack } from "../../model/stack.ts";
import { failedCheck } from "../check-result.ts";
import type { BackupContext, CheckContext } from "../store.ts";
import { FILES, INDEX_FILE, MODEL_FILE, type StackIndex, stackPack } from "./pack.ts";
import { stackRoots } from "./roots.ts";

const KEEP_BYTES = 64 * 1024 * 1024;

/** The stack as recorded in a backup. */
export interface StackFiles {
  readonly model: ComposeModel;
  readonly index: StackIndex;
}

/**
 * Writes the `stack` component: the resolved model and every file needed to start the stack on a bare host.
 *
 * @throws BackupFailedError (class `stack-file`) that names a missing or unreadable file; RefusedError (class `host-file`).
 */
export async function backupStackFiles(stack: Stack, context: BackupContext): Promise<Component> {
  const { project, directory, composeFiles, envFiles, profiles, model } = stack;
  const { files, skipped } = await stackRoots(stack, context.sink.directory, context);
  const paths = files.map(({ path }) => path);
  const failed = failedServices(stack);
  const index: StackIndex = {
    ...{ project, directory, composeFiles, envFiles, profiles, roots: paths },
    ...(Object.keys(failed).length === 0 ? {} : { failed }),
  };
  const around = new Set(paths.map((path) => dirname(path)));
  const mounts: TaskMount[] = [...around].map((path) => ({ path, readOnly: true }));
  return await context.tasks.run(
    stackPack,
    { index, model, skipped, sink: context.sink },
    { mounts: [...mounts, { path: context.sink.directory, readOnly: false }] },
    context.signal,
  );
}

function failedServices({ containers }: Pick<Stack, "containers">): Record<string, number> {
  const ended = containers.filter(({ state, exitCode }) => state === "exited" && exitCode !== 0);
  return Object.fromEntries(ended.map(({ service, exitCode }) => [service, exitCode]));
}

/**
 * Reads the `stack` component to its last byte.
 *
 * @throws DamagedError when a file named in its index is missing.
 */
export async function readStackFiles(
  component: Component,
  context: Pick<CheckContext, "open">,
): Promise<StackFiles> {
  const wanted = [MODEL_FILE, INDEX_FILE].map((name) => ({ name, keepBytes: KEEP_BYTES }));
  const names = new Set<string>();
  const scanner = new TarScanner({ wanted, listener: ({ name }) => void names.add(name) });
  for await (const chunk of await context.open(component)) scanner.update(chunk as Buffer);
  scanner.end();
  const { found } = scanner.summary();
  const parse = (name: string): unknown => {
    const content = found.get(name)?.content;
    if (content === undefined) throw new DamagedError(`${component.name}: ${name} is missing`);
    return JSON.parse(content.toString("utf8"));
  };
  const index = parse(INDEX_FILE) as StackIndex;
  const missing = index.roots.filter((path) => !names.has(FILES + path));
  if (missing.length > 0) {
    throw new DamagedError(`${component.name}: missing files: ${missing.join(", ")}`);
  }
  return { model: parse(MODEL_FILE) as ComposeModel, index };
}

/** Checks the `stack` component: the model, the index, and every file that the index names. */
export async function checkStackFiles(
  component: Component,
  context: CheckContext,
): Promise<Check[]> {
  const subject = { name: "stack files", component: component.name };
  try {
    const { index } = await readStackFiles(component, context);
    return [{ ...subject, status: "pass", detail: `the model and ${index.roots.length} paths` }];
  } catch (error) {
    context.signal.throwIfAborted();
    return [failedCheck(subject, error)];
  }
}
