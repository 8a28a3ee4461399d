import { dirname, resolve } from "node:path";
import { type InputName, inputsOf } from "./inputs.ts";
import { type Options, optionKey } from "./parse.ts";

/** A path of a run that must be the same one on the host. */
interface HostPath {
  readonly input: InputName;
  readonly path: string;
}

/** The paths of a run that must be those of the host: what is written elsewhere in a container is gone with it. */
export function hostPaths(options: Options): HostPath[] {
  return inputsOf([options.command]).flatMap(([input, { kind, ofHost }]) => {
    const isPath = kind === "path" || kind === "paths";
    const which = ofHost ?? (isPath ? "itself" : "nothing");
    if (which === "nothing") return [];
    const value = options[optionKey(input) as keyof Options] ?? defaultOf(input, options);
    const values = (Array.isArray(value) ? value : [value]).filter(
      (one): one is string => typeof one === "string" && (isPath || isLocalPath(one)),
    );
    return values.map((one) => ({
      input,
      path: which === "around" ? dirname(resolve(one)) : resolve(one),
    }));
  });
}

/** Of the inputs that a path is only one value of: an id and `latest` have no slash, and a bucket is no path. */
function isLocalPath(text: string): boolean {
  return /^\.|\//.test(text) && !/^(s3:\/\/|rclone:)/.test(text);
}

/** The page of the history is written into the working directory. */
function defaultOf(input: InputName, { command }: Options): string | undefined {
  return input === "report-path" && command === "report" ? "report.html" : undefined;
}
