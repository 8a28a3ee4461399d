import { isKeepers } from "../model/keeper-labels.ts";

/** Labels that Compose sets on containers, volumes and networks (docker/compose `pkg/api/labels.go`). */
export const composeLabels = {
  project: "com.docker.compose.project",
  service: "com.docker.compose.service",
  number: "com.docker.compose.container-number",
  oneOff: "com.docker.compose.oneoff",
  directory: "com.docker.compose.project.working_dir",
  files: "com.docker.compose.project.config_files",
  environmentFiles: "com.docker.compose.project.environment_file",
  volume: "com.docker.compose.volume",
  configHash: "com.docker.compose.config-hash",
  /** `service:condition:restart`, separated by commas. */
  dependsOn: "com.docker.compose.depends_on",
} as const;

/**
 * Whether a container with the project's label is part of the stack: Compose made it, and not for one command. Containers of
 * this tool have that label, too, if their image was built by Compose. The tool's own labels alone prove nothing: any image
 * may have them.
 */
export function isOfStack(labels: Readonly<Record<string, string | undefined>>): boolean {
  if (labels[composeLabels.oneOff]?.toLowerCase() === "true") return false;
  return composeLabels.configHash in labels || !isKeepers(labels);
}
