import { join } from "node:path";
import { RefusedError } from "../../core/errors.ts";
import type { Options } from "../../options/parse.ts";
import { type Found, hasSystemd } from "./look-around.ts";
import { mainService } from "./stack-values.ts";

/** A step of `init` that can be declined. */
export type Step = Options["skip"][number];

/** What a person is asked before a step. */
interface Question {
  readonly step: Step;
  /** A step that this one is nothing without. */
  readonly needs?: Step;
  readonly text: string;
  /** The answer of somebody who only presses Enter. */
  readonly usual: boolean;
}

/** Asks a yes-or-no question. */
type Ask = (text: string, usual: boolean) => Promise<boolean>;

/**
 * Who answers the questions of `init`: the person at the terminal, or `--yes`. A dry run is asked nothing.
 *
 * @returns undefined if every step is taken that is not skipped.
 * @throws RefusedError if nobody can be asked.
 */
export function whoAnswers(
  { yes, dryRun }: Pick<Options, "yes" | "dryRun">,
  ask: Ask | undefined,
): Ask | undefined {
  if (yes || dryRun) return undefined;
  if (ask !== undefined) return ask;
  throw new RefusedError(
    "init asks before each step, and there is no terminal to ask at: add --yes, and --skip STEP,... for what to leave out",
    { class: "no-terminal" },
  );
}

/** The steps that are taken. Every question is asked before the first step begins: who leaves at one leaves nothing behind. */
export async function chosenSteps(
  questions: readonly Question[],
  skipped: readonly Step[],
  ask: Ask | undefined,
): Promise<ReadonlySet<Step>> {
  const chosen = new Set<Step>();
  for (const { step, needs, text, usual } of questions) {
    if (skipped.includes(step) || (needs !== undefined && !chosen.has(needs))) continue;
    if (ask === undefined || (await ask(text, usual))) chosen.add(step);
  }
  return chosen;
}

/** What is asked, in the order of the steps. */
export function questionsOf({
  stack,
  recipients,
  keysDirectory,
  targets,
  isInGit,
}: Found): Question[] {
  const upgrades = mainService(stack) === undefined ? "" : ", upgrade and rehearsal";
  const keys: Question = {
    step: "keys",
    usual: true,
    text: `Make three age key pairs in ${keysDirectory}: yours, a recovery key, and one for test restores?`,
  };
  return [
    ...(recipients === undefined ? [keys] : []),
    {
      step: "workflows",
      usual: isInGit,
      text: `Write workflows for GitHub into ${join(targets.workflows, ".github/workflows")}: nightly backup${upgrades}?`,
    },
    {
      step: "systemd",
      usual: hasSystemd(),
      text: `Write a service and a timer for systemd into ${join(targets.systemd, "systemd")}?`,
    },
    {
      step: "cron",
      usual: !hasSystemd() && !isInGit,
      text: `Write a file for cron into ${join(targets.cron, "cron.d")}?`,
    },
    {
      step: "proof",
      usual: true,
      ...(recipients === undefined ? { needs: "keys" as const } : {}),
      text: "Make the first backup now, and restore it into an isolated clone?",
    },
  ];
}
