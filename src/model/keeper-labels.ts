/** Labels on everything this tool creates in the Docker engine, so that a later run finds the remains of a killed run. */
export const keeperLabels = {
  /** The operation that created it. */
  operation: "sophon-keeper.operation",
  /** `helper`, `run`, `lock`, `scratch`, `template`, `keep`. */
  kind: "sophon-keeper.kind",
  /** The Compose project it was created for. */
  project: "sophon-keeper.project",
} as const;
