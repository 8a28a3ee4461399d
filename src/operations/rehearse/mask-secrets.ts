import { join } from "node:path";
import type { Masker } from "../../core/secrets.ts";
import type { TaskRunner } from "../../core/task.ts";
import type { ComposeModel, DiscoveredStore } from "../../model/stack.ts";
import { findSecrets } from "../../stack/find-secrets.ts";
import { keyTexts } from "../../stores/tree/key-texts.ts";
import type { Dependencies } from "../session/command.ts";

/** Where a secret is made known: to the output of the run, and to the one who reads the logs of the clone. */
interface Masking extends Pick<Dependencies, "reporter"> {
  readonly masker: Masker;
}

function maskSecret(secret: string, { reporter, masker }: Masking): void {
  reporter.secret(secret);
  masker.add(secret);
}

/** Masks what a definition of the stack keeps secret: a new image may print anything that it is given. */
export function maskModel({ services }: ComposeModel, masking: Masking) {
  const environments = Object.values(services).map(({ environment = {} }) => {
    const values = Object.entries(environment).map(([name, value]) => [name, value ?? ""]);
    return { environment: Object.fromEntries(values) as Record<string, string> };
  });
  for (const secret of findSecrets(environments, [])) maskSecret(secret, masking);
}

/** Masks the key files of restored data, in clear, base64 and hex. */
export async function maskKeys(
  stores: readonly DiscoveredStore[],
  tasks: TaskRunner,
  { signal, ...masking }: Masking & Pick<Dependencies, "signal">,
): Promise<void> {
  for (const store of stores) {
    if (store.kind !== "data" || store.vaultKey === undefined) continue;
    const { source, volume } = store.mount;
    const mount = { path: source, readOnly: true, ...(volume === undefined ? {} : { volume }) };
    const file = join(source, store.vaultKey);
    const texts = await tasks.run(keyTexts, { file }, { mounts: [mount] }, signal);
    for (const text of texts) maskSecret(text, masking);
  }
}
