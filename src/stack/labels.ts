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
