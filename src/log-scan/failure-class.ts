/** The kind of failure, as the result names it. */
export type FailureClass =
  | "schema-conflict"
  | "migration"
  | "database-connection"
  | "database-auth"
  | "lock-timeout"
  | "disk-full"
  | "corruption"
  | "crash"
  | "config";

/** One sentence on what a class means and one on what to do, shown with every verdict. */
export const CLASS_MEANING: Readonly<Record<FailureClass, string>> = {
  "schema-conflict":
    "The database's tables are not what the new version expects. Put images and data back; ask the vendor which version this data can be upgraded from.",
  migration:
    "A migration could not be applied to this data. Put images and data back and report the decisive line to the vendor.",
  "database-connection":
    "The application never got a working connection to its database. Look at the database's own log, its address and whether it was ready.",
  "database-auth":
    "The database refused the user or a right it needs. Compare the credentials and grants with those of the version before.",
  "lock-timeout":
    "A lock could not be acquired: another process holds it, or a killed migration left it behind. Do not kill it again; put the data back or release the lock.",
  "disk-full":
    "No space was left to write. Free space on the host before trying again; half-written data goes back with the rollback.",
  corruption:
    "The database reports damaged pages or files. Keep a copy of them as they are and restore the last verified backup.",
  crash:
    "The process ended without finishing its start. Its exit code and the lines above tell whether memory, the runtime or the application was at fault.",
  config:
    "The new version lacks a setting, a file, a right or a runtime it needs. Read its release notes for new or renamed settings.",
};
