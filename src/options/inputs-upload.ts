import type { CommandName } from "./command-names.ts";
import { longestWait } from "./duration.ts";
import type { InputSpec } from "./spec.ts";

const uploads = ["backup", "upload"] as const satisfies readonly CommandName[];
const remotes = [
  "backup",
  "upgrade-test",
  "verify",
  "restore",
  "list",
  "prune",
  "upload",
] as const satisfies readonly CommandName[];

/** Where a copy of the backup goes off this host. */
export const uploadInputs = {
  upload: {
    kind: "choices",
    choices: ["none", "artifact", "cache", "s3", "rclone"],
    actionChoices: ["artifact", "cache"],
    default: "none",
    commands: uploads,
    about:
      "Where else the encrypted backup goes, one or more of: artifact (of the workflow run), cache (of the GitHub repository, for rehearsals on other runners: 10 GB in all, gone after a week without use, open to every pull request, those of forks included; only with recipients, and what does not fit is a warning), s3 (any S3-compatible bucket), rclone (what the program rclone reaches: SFTP, WebDAV, Azure, Dropbox, Google Drive, ...); see upload-to. Refused without encryption.",
    aboutFlag:
      "Where else the encrypted backup goes: s3 (any S3-compatible bucket), rclone (what the program rclone reaches: SFTP, WebDAV, Azure, Dropbox, Google Drive, ...); see upload-to. Refused without encryption.",
  },
  "upload-to": {
    kind: "text",
    commands: remotes,
    about:
      "The bucket and a prefix in it, as s3://BUCKET/PREFIX, or rclone:REMOTE:PATH with a remote that `rclone config` made. Credentials are no input: they are found as by every AWS tool (environment, profile, web identity, instance role).",
  },
  "upload-endpoint": {
    kind: "url",
    commands: remotes,
    about: "The URL of an S3 server that is not Amazon's. Only https, except on this host.",
  },
  "upload-region": {
    kind: "text",
    commands: remotes,
    about:
      "The region of the bucket. Default: that of the environment; with upload-endpoint, us-east-1.",
  },
  "upload-path-style": {
    kind: "flag",
    commands: remotes,
    about: "Write the bucket into the path of the URL, not into the host name.",
  },
  "remote-max-age": {
    kind: "duration",
    commands: ["list"],
    about:
      "The result is stale (exit 4) if the newest copy that is proven off this host is older than this, such as 36h.",
  },
  "remote-keep-last": {
    kind: "integer",
    min: 1,
    commands: ["backup", "prune"],
    about:
      "Keep this many of the newest copies off this host. Without a remote-keep rule no copy is removed.",
  },
  "remote-keep-daily": {
    kind: "integer",
    min: 1,
    commands: ["backup", "prune"],
    about: "Keep the newest copy of each day off this host, for this many days.",
  },
  "remote-keep-weekly": {
    kind: "integer",
    min: 1,
    commands: ["backup", "prune"],
    about: "Keep the newest copy of each week off this host, for this many weeks.",
  },
  "remote-keep-monthly": {
    kind: "integer",
    min: 1,
    commands: ["backup", "prune"],
    about: "Keep the newest copy of each month off this host, for this many months.",
  },
  "upload-max-bytes": {
    kind: "integer",
    min: 1,
    commands: ["backup"],
    about:
      "Upload no backup that is larger than this, in bytes: the run then succeeds with a warning. For storage that runs full.",
  },
  "upload-limit": {
    kind: "integer",
    min: 1024,
    commands: uploads,
    about: "Upload at most this many bytes a second. Default: no limit.",
  },
  "upload-retry": {
    kind: "duration",
    longest: longestWait,
    default: "10m",
    commands: remotes,
    about: "How long to try again while the bucket cannot be reached.",
  },
  "upload-lock": {
    kind: "choice",
    choices: ["governance", "compliance"],
    commands: uploads,
    about:
      "Lock what is uploaded, so that it cannot be removed before upload-lock-days have passed. A compliance lock cannot be undone by anybody: try it with --dry-run first. The bucket must have been created with object lock.",
  },
  "upload-lock-days": {
    kind: "integer",
    min: 1,
    max: 400,
    commands: uploads,
    about: "For how many days the lock holds.",
  },
  "artifact-name": {
    kind: "text",
    face: "action",
    commands: ["backup", "restore"],
    about:
      "Name of the artifact, unique within the run. Default: the backup id with .tar; for a restore, the newest artifact of the run.",
  },
  "artifact-run": {
    kind: "text",
    face: "action",
    commands: ["restore", "upgrade-test"],
    about:
      "With backup: artifact, the run that uploaded it: its id, or latest for the newest run with a backup of this project. Only runs on this repository's default branch count. github-token then needs the permission actions: read. Default: this run.",
  },
  "artifact-retention-days": {
    kind: "integer",
    face: "action",
    min: 1,
    max: 400,
    commands: ["backup"],
    about:
      "How many days GitHub keeps the artifact. Default: the setting of the GitHub repository.",
  },
} as const satisfies Record<string, InputSpec>;
