import type { InputName } from "./inputs.ts";

/** What inputs are called elsewhere, or were called before: refused with the name they have here. */
export const otherNames: Readonly<Record<string, InputName>> = {
  directory: "project-directory",
  "working-directory": "project-directory",
  file: "compose-files",
  project: "project-name",
  repo: "repository",
  "sophon-data": "data-dir",
  key: "identity",
  "identity-file": "identity",
  "passphrase-file": "passphrase",
  "age-recipients": "recipients",
  "retention-days": "artifact-retention-days",
};
