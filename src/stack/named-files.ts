import { basename } from "node:path";
import type { ComposeModel, ContainerState } from "../model/stack.ts";

/** The texts in which a service is told its files: environment, command and entrypoint. */
export function settingsOf(
  services: readonly string[],
  model: ComposeModel,
  containers: readonly ContainerState[],
): string[] {
  const given = services.flatMap((service) => {
    const { command, entrypoint } = model.services[service] ?? {};
    return [command, entrypoint].map((value) => JSON.stringify(value ?? ""));
  });
  const own = containers.filter(({ service }) => services.includes(service));
  return [...given, ...own.flatMap(({ environment }) => Object.values(environment))];
}

/** Whether a setting names a file: its name stands there alone, after a slash, or as a part of a connection string. */
export function isNamedIn(path: string, settings: readonly string[]): boolean {
  const name = basename(path).replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const whole = new RegExp(`(^|[^\\w.-])${name}($|[^\\w.-])`);
  return settings.some((text) => whole.test(text));
}
