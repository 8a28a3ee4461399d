import type { InputName } from "./inputs.ts";

/** Names that inputs have elsewhere or had before. They are refused, and the message gives the current name. */
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
  "files-only": "skip",
  "retention-days": "artifact-retention-days",
};
