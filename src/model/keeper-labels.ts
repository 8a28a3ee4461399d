/** Labels on everything this tool creates in the Docker engine, so that a later run finds the remains of a killed run. */
export const keeperLabels = {
  /** The operation that created it. */
  operation: "sophon-keeper.operation",
  /** `helper`, `run`, `lock`, `scratch`, `template`, `keep`, or {@link programKind}. */
  kind: "sophon-keeper.kind",
  /** The Compose project it was created for. */
  project: "sophon-keeper.project",
} as const;

/** The kind of a container in which the program itself runs: a label of its image (`Dockerfile`). */
export const programKind = "program";

/** Whether a container belongs to this tool: an operation made it, or the program runs in it. It is never part of a stack. */
export function isKeepers(labels: Readonly<Record<string, string | undefined>>): boolean {
  return keeperLabels.operation in labels || labels[keeperLabels.kind] === programKind;
}
