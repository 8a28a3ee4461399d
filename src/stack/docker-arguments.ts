import type { ContainerExecOptions, ThrowAwayOptions } from "../core/containers.ts";
import { mountArgument } from "../core/mount.ts";

/** The arguments of `docker exec`. The values of variables are passed in the client's environment, not here. */
export function execArguments(
  container: string,
  argv: readonly string[],
  options: Pick<ContainerExecOptions, "env" | "user"> & { readonly interactive: boolean },
): string[] {
  return [
    "exec",
    ...(options.interactive ? ["--interactive"] : []),
    ...(options.user === undefined ? [] : ["--user", options.user]),
    ...Object.keys(options.env ?? {}).flatMap((name) => ["--env", name]),
    container,
    ...argv,
  ];
}

/** The arguments of `docker run` for a throw-away container of an image that is on this host. */
export function runArguments(
  image: string,
  argv: readonly string[],
  options: Omit<ThrowAwayOptions, "input"> & {
    readonly interactive: boolean;
    readonly name: string;
    readonly labels: Readonly<Record<string, string>>;
  },
): string[] {
  const [command, ...rest] = argv;
  if (command === undefined) throw new Error("nothing to run");
  return [
    ...["run", "--rm", "--pull", "never", "--name", options.name],
    ...Object.entries(options.labels).flatMap(([name, value]) => ["--label", `${name}=${value}`]),
    ...(options.interactive ? ["--interactive"] : []),
    ...["--network", options.network ?? "none", "--security-opt", "label=disable"],
    ...["--log-driver", "none"],
    ...(options.user === undefined ? [] : ["--user", options.user]),
    ...Object.keys(options.env ?? {}).flatMap((name) => ["--env", name]),
    ...(options.mounts ?? []).flatMap((mount) => ["--mount", mountArgument(mount)]),
    ...["--entrypoint", command, image, ...rest],
  ];
}
