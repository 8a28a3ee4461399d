import { expect, it } from "vitest";
import { chosenSteps, whoAnswers } from "../../../src/operations/onboard/steps.ts";

type Questions = Parameters<typeof chosenSteps>[0];

const questions: Questions = [
  { step: "keys", text: "Keys?", usual: true },
  { step: "cron", text: "Cron?", usual: false },
  { step: "proof", needs: "keys", text: "Proof?", usual: true },
];

it("asks of each step that is not skipped, and of none that has lost what it needs", async () => {
  const asked: string[] = [];
  const answers = (good: readonly string[]) => async (text: string) => {
    asked.push(text);
    return good.includes(text);
  };
  expect([...(await chosenSteps(questions, ["cron"], answers(["Keys?", "Proof?"])))]).toEqual([
    ...["keys", "proof"],
  ]);
  expect([...(await chosenSteps(questions, [], answers(["Cron?"])))]).toEqual(["cron"]);
  expect(asked).toEqual(["Keys?", "Proof?", "Keys?", "Cron?"]);
});

it("takes every step that is not skipped where nobody is asked", async () => {
  expect([...(await chosenSteps(questions, ["keys"], undefined))]).toEqual(["cron"]);
  expect([...(await chosenSteps(questions, [], undefined))]).toHaveLength(3);
});

it("needs somebody to ask, --yes, or a dry run", () => {
  const ask = async () => true;
  expect(whoAnswers({ yes: false, dryRun: false }, ask)).toBe(ask);
  expect(whoAnswers({ yes: true, dryRun: false }, ask)).toBeUndefined();
  expect(whoAnswers({ yes: false, dryRun: true }, undefined)).toBeUndefined();
  expect(() => whoAnswers({ yes: false, dryRun: false }, undefined)).toThrow("add --yes");
});
