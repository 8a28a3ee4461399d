import { join } from "node:path";
import type { TaskRunner } from "../../core/task.ts";
import type { ComposeModel, DiscoveredStore } from "../../model/stack.ts";
import { findSecrets } from "../../stack/find-secrets.ts";
import { keyTexts } from "../../stores/tree/key-texts.ts";
import type { Dependencies } from "../session/command.ts";

/** Masks what a definition of the stack keeps secret: a new image may print anything that it is given. */
export function maskModel(
  { services }: ComposeModel,
  { reporter }: Pick<Dependencies, "reporter">,
) {
  const environments = Object.values(services).map(({ environment = {} }) => {
    const values = Object.entries(environment).map(([name, value]) => [name, value ?? ""]);
    return { environment: Object.fromEntries(values) as Record<string, string> };
  });
  for (const secret of findSecrets(environments, [])) reporter.secret(secret);
}

/** Masks the key files of restored data, in clear, base64 and hex. */
export async function maskKeys(
  stores: readonly DiscoveredStore[],
  tasks: TaskRunner,
  { reporter, signal }: Pick<Dependencies, "reporter" | "signal">,
): Promise<void> {
  for (const store of stores) {
    if (store.kind !== "data" || store.vaultKey === undefined) continue;
    const { source, volume } = store.mount;
    const mount = { path: source, readOnly: true, ...(volume === undefined ? {} : { volume }) };
    const file = join(source, store.vaultKey);
    const texts = await tasks.run(keyTexts, { file }, { mounts: [mount] }, signal);
    for (const text of texts) reporter.secret(text);
  }
}
