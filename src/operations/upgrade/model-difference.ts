import type { ComposeModel } from "../../model/stack.ts";
import { masking } from "../live-stack/difference-text.ts";

/** The model with every secret replaced by a mark derived from the secret, so that it can be stored and shown. */
export function withoutSecrets(model: ComposeModel, secrets: readonly string[]): ComposeModel {
  const masked = masking(model.name, secrets);
  return JSON.parse(JSON.stringify(model), (_key, value: unknown) =>
    typeof value === "string" ? masked(value) : value,
  ) as ComposeModel;
}
