import { beforeEach } from "vitest";

// The budget of `npm run test:exhaustive`: a test that would begin after its end is skipped, and told as left.

const deadlineMs = Number(process.env.SOPHON_KEEPER_TEST_DEADLINE ?? Number.POSITIVE_INFINITY);

beforeEach(({ skip }) => {
  if (Date.now() > deadlineMs) skip("the budget is over");
});
