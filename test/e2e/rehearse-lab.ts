import type { LabStack } from "../lab/lab-stack.ts";
import { run } from "../lab/run.ts";
import { type Running, repository, startKeeper } from "./upgrade-lab.ts";

/** Backs the stack up, without encryption: the lab's data is no secret. */
export async function backedUp(stack: LabStack): Promise<string> {
  const place = ["--project-directory", stack.directory, "--repository", repository(stack)];
  const { result, stderr } = await startKeeper(["backup", ...place]).done;
  if (result?.result !== "backed-up") throw new Error(stderr);
  return String(result.backupId);
}

/** Rehearses an upgrade of the gateway. Neither the project nor its directory is named: only the repository. */
export function rehearse(stack: LabStack, reference: string, ...more: readonly string[]): Running {
  const soak = more.includes("--soak") ? [] : ["--soak", "6s"];
  const hasOther = more.includes("--new-files") || more.includes("--candidates");
  const images = hasOther ? [] : ["--images", `sophon-gateway=${reference}`];
  const how = ["upgrade-test", "--target", "rehearsal", "--repository", repository(stack)];
  return startKeeper([...how, ...images, ...soak, ...more]);
}

/** What is left of clones of the stack. */
export async function clonesOf({ projectName }: LabStack): Promise<string[]> {
  const labels = ["sophon-keeper.kind=scratch", `sophon-keeper.project=${projectName}`];
  const filter = labels.flatMap((label) => ["--filter", `label=${label}`]);
  const all = await Promise.all([
    run(["docker", "ps", "--all", "--quiet", ...filter]),
    run(["docker", "volume", "ls", "--quiet", ...filter]),
    run(["docker", "network", "ls", "--quiet", ...filter]),
  ]);
  return all.flatMap((text) => text.split("\n").filter((line) => line !== ""));
}

/** The volumes with restored data that is kept for the next rehearsal, by name. */
export async function keptDataOf({ projectName }: LabStack): Promise<string[]> {
  const labels = ["sophon-keeper.kind=template", `sophon-keeper.project=${projectName}`];
  const filter = labels.flatMap((label) => ["--filter", `label=${label}`]);
  const text = await run(["docker", "volume", "ls", "--quiet", ...filter]);
  return text
    .split("\n")
    .filter((line) => line !== "")
    .toSorted();
}
