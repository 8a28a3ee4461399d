/** Labels on what this tool makes in the engine, so that a later run finds what a killed one left. */
export const keeperLabels = {
  /** The operation that made it. */
  operation: "sophon-keeper.operation",
  /** `helper`, `run`, `lock`, `scratch`, `keep`. */
  kind: "sophon-keeper.kind",
  /** The Compose project it was made for. */
  project: "sophon-keeper.project",
} as const;
