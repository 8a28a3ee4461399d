import type { InputSpec } from "./spec.ts";

/** Which backup, how thoroughly to verify it, and what to restore. */
export const restoreInputs = {
  backup: {
    kind: "text",
    ofHost: "itself",
    default: "latest",
    commands: ["verify", "restore", "upgrade-test", "ls", "find", "diff", "upload", "list"],
    about:
      "Which backup: latest, an id (sophon-keeper list shows them), or a path of its directory or its .tar. Off this host: s3://BUCKET/PREFIX/PROJECT/ID or rclone:REMOTE:PATH/PROJECT/ID, with latest as the ID for the newest; list takes the address without PROJECT and ID, upload takes all. restore and rehearsals also take artifact (of this workflow run, or of artifact-run) and cache (what upload: cache saved last), rehearsals fresh (the backup is made first). verify, restore and rehearsals also read files that were made by hand with the commands of the Sophon page.",
    aboutFlag:
      "Which backup: latest, an id (sophon-keeper list shows them), or a path of its directory or its .tar. Off this host: s3://BUCKET/PREFIX/PROJECT/ID or rclone:REMOTE:PATH/PROJECT/ID, with latest as the ID for the newest; list takes the address without PROJECT and ID, upload takes all. A rehearsal also takes fresh: the backup is made first. verify, restore and rehearsals also read files that were made by hand with the commands of the Sophon page. find looks into all backups, unless an id or a path is given.",
  },
  against: {
    kind: "text",
    ofHost: "itself",
    default: "previous",
    face: "cli",
    commands: ["diff"],
    about:
      "What the backup is compared with: previous (the backup before it), live (the running stack), an id, or a path.",
  },
  "trusted-signers": {
    kind: "signers",
    commands: ["verify", "restore", "upgrade-test"],
    about:
      "The public keys whose signatures are trusted: ssh-ed25519 lines, or files with them, one per line. With it, verify and rehearsals demand such a signature. Default: this host's own key.",
  },
  "allow-unsigned": {
    kind: "flag",
    commands: ["restore"],
    about:
      "Restore a backup of unknown origin: one without a signature, as earlier versions made them, or with one that is not trusted here.",
  },
  "allow-host-access": {
    kind: "flag",
    commands: ["restore"],
    about:
      "With allow-unsigned: also restore what reaches beyond the project directory, such as files elsewhere, privileged services, the engine's socket, devices and mounts of the host.",
  },
  level: {
    kind: "choice",
    choices: ["checksum", "contents", "restore"],
    default: "contents",
    commands: ["verify"],
    about:
      "How thoroughly to verify: checksum needs no identity, contents needs one, restore also needs a Docker engine.",
  },
  "max-age": {
    kind: "duration",
    commands: ["verify", "upgrade-test"],
    about:
      "The result is stale (exit 4) if the newest backup verified at this level is older than this, such as 36h. A rehearsal (default 7d) accepts no backup that is older: of latest it makes a fresh one on the host of the stack, if the inputs say how it is encrypted.",
  },
  "clone-health": {
    kind: "choice",
    choices: ["on", "off"],
    default: "on",
    commands: ["verify", "upgrade-test"],
    about:
      "Whether the isolated clone must become healthy. off is for a stack that needs the network for that: a test restore is then judged by its counts alone, a rehearsal by log, migrations and schema.",
  },
  only: {
    kind: "list",
    commands: ["restore"],
    about:
      "Restore only these stores, such as postgres,qdrant, or one database or collection of them: postgres/sophon. Default: all.",
  },
  path: {
    kind: "items",
    face: "cli",
    commands: ["ls", "find", "restore"],
    about:
      "Only these files and directories, one per line, as ls shows them: data/config, or a pattern such as **/*.json. restore puts them into the directory that target names, or into their place in the stack. find also takes a name or a pattern of names, such as models.json.",
  },
  "keep-images": {
    kind: "flag",
    commands: ["restore"],
    about:
      "Restore only the data: containers keep the image that they run now. Default: containers get the image of the backup, and the Compose files name it, because data of one version may not work with another.",
  },
  "allow-shared-paths": {
    kind: "flag",
    commands: ["restore", "undo", "upgrade-test", "doctor"],
    about: "Continue even if another project also uses a path or volume of the stack.",
  },
} as const satisfies Record<string, InputSpec>;
