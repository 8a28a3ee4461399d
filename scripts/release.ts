import { join } from "node:path";
import { movedTag, packageVersion, releaseProblems, versionProblems } from "./version.ts";

// Run by the release job with the pushed tag: prints the tag to move, or fails when something does not agree.

const root = join(import.meta.dirname, "..");
const [pushed = ""] = process.argv.slice(2);
const problems = [...(await versionProblems(root)), ...(await releaseProblems(root, pushed))];
for (const problem of problems) process.stderr.write(`${problem}\n`);
if (problems.length > 0) process.exit(1);
process.stdout.write(`${movedTag(await packageVersion(root))}\n`);
