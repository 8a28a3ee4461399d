import { isDeepStrictEqual } from "node:util";
import type { ComposeModel, ComposeService } from "../../model/stack.ts";

/** Parts of a service that a clone leaves out, or that change with each reading. */
const ignored = new Set(["image", "container_name"]);

/**
 * How the new definition of the services differs from the old one in more than images: names and places, never values,
 * which may be secrets.
 */
export function modelDifferences(before: ComposeModel, after: ComposeModel): string[] {
  const names = [...new Set([...Object.keys(before.services), ...Object.keys(after.services)])];
  return names.flatMap((name) => {
    const [was, is] = [before.services[name], after.services[name]];
    if (was === undefined) return [`${name}: new in the files`];
    if (is === undefined) return [`${name}: no longer in the files`];
    return serviceDifferences(was, is).map((path) => `${name}: ${path}`);
  });
}

function serviceDifferences(before: ComposeService, after: ComposeService): string[] {
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return keys
    .filter((key) => !ignored.has(key))
    .flatMap((key) => differences(before[key], after[key], key));
}

function differences(before: unknown, after: unknown, path: string): string[] {
  if (isMap(before) && isMap(after)) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
    return keys.flatMap((key) => differences(before[key], after[key], `${path}.${key}`));
  }
  if (isDeepStrictEqual(before, after)) return [];
  if (before === undefined) return [`${path} is new`];
  return [after === undefined ? `${path} is gone` : `${path} is another`];
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
