import type { Rule } from "./rule.ts";
import { DATABASE_RULES } from "./rules-database.ts";
import { LANGUAGE_RULES } from "./rules-language.ts";
import { LAUNCH_RULES } from "./rules-launch.ts";
import { MIGRATION_RULES } from "./rules-migration.ts";
import { RUNTIME_RULES } from "./rules-runtime.ts";
import { STORE_RULES } from "./rules-store.ts";

/** In the order they are tried; the first that fits a record names the finding. */
export const RULES: readonly Rule[] = [
  ...MIGRATION_RULES,
  ...STORE_RULES,
  ...DATABASE_RULES,
  ...LANGUAGE_RULES,
  ...LAUNCH_RULES,
  ...RUNTIME_RULES,
];
