import type { LabStack } from "../lab/lab-stack.ts";
import { run } from "../lab/run.ts";
import type { Caller } from "./support/keeper.ts";
import { type Running, repository, startKeeper } from "./upgrade-lab.ts";

/** Backs the stack up, without encryption: the lab's data is no secret. */
export async function backedUp(stack: LabStack, as: Caller = "root"): Promise<string> {
  const place = ["--project-directory", stack.directory, "--repository", repository(stack)];
  const { result, stderr } = await startKeeper(["backup", ...place], as).done;
  if (result?.result !== "backed-up") throw new Error(stderr);
  return String(result.backupId);
}

/** Rehearses an upgrade of the gateway. Neither the project nor its directory is named: only the repository. */
export function rehearse(stack: LabStack, reference: string, ...more: readonly string[]): Running {
  return rehearseAs("root", stack, reference, ...more);
}

/**
 * The same by another user. A busy machine can make the live stack unwell for a moment, which ends a rehearsal: then it is
 * done again, as its message asks for.
 */
export function rehearseAs(
  as: Caller,
  stack: LabStack,
  reference: string,
  ...more: readonly string[]
): Running {
  const first = rehearseOnce(as, stack, reference, ...more);
  const again = async () => {
    let last = await first.done;
    for (let left = 2; left > 0 && isLiveFirst(last.result); left -= 1) {
      last = await rehearseOnce(as, stack, reference, ...more).done;
    }
    return last;
  };
  return { child: first.child, done: again() };
}

function isLiveFirst(result: Record<string, unknown> | undefined): boolean {
  return (result?.reason as { readonly class?: string } | undefined)?.class === "live-first";
}

/** The same, once, whatever becomes of it. */
export function rehearseOnce(
  as: Caller,
  stack: LabStack,
  reference: string,
  ...more: readonly string[]
): Running {
  const soak = more.includes("--soak") ? [] : ["--soak", "6s"];
  const hasOther = more.includes("--new-files") || more.includes("--candidates");
  const images = hasOther ? [] : ["--images", `sophon-gateway=${reference}`];
  const how = ["upgrade-test", "--target", "rehearsal", "--repository", repository(stack)];
  return startKeeper([...how, ...images, ...soak, ...more], as);
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

/** The names of the phases of a rehearsal, in order. */
export function phasesOf(result: unknown): string[] {
  const { timeline } = result as { readonly timeline: { readonly phases: { phase: string }[] } };
  return timeline.phases.map(({ phase }) => phase);
}
