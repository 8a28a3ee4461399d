import { eachOf } from "../../core/each-of.ts";
import { KeeperError, UnverifiableError } from "../../core/errors.ts";
import type { Component, Manifest } from "../../model/manifest.ts";
import type { Check } from "../../model/result.ts";
import { hasImage } from "../../stack/images.ts";
import { openComponent, type SourceOptions } from "../../stores/reader.ts";
import type { CheckContext } from "../../stores/store.ts";
import type { Dependencies } from "../session/command.ts";
import type { Host, Workbench } from "../session/host.ts";
import { checkComponent } from "./component-check.ts";
import { checkSealed } from "./sealed-manifest.ts";

/** Some wait for a container that reads them, others for the processor. */
const componentsAtOnce = 2;

/** The parts of the host for reading a backup: some components are read with the tools of their server. */
export type ContentsHost = Pick<Host, "workbench" | "engine">;

/**
 * The checks of the level `contents`: the sealed manifest equals the plain one, and every component is decrypted,
 * decompressed and read to its last byte. Without a key there is a single `unverifiable` check.
 *
 * @param operationId - the label of the temporary containers
 * @throws the reason of the signal if it is aborted; never for the backup itself.
 */
export async function checkContents(
  source: SourceOptions,
  manifest: Manifest,
  operationId: string,
  dependencies: Dependencies & { readonly host: ContentsHost },
): Promise<Check[]> {
  const sealed = await checkSealed(source, manifest, dependencies.signal);
  if (sealed.status !== "pass") return [sealed];
  const { components } = manifest;
  return [
    sealed,
    ...(await checkComponents(components, source, manifest, operationId, dependencies)),
  ];
}

/** Reads some components of a backup to their last byte, and compares them with their records. Throws as {@link checkContents}. */
export async function checkComponents(
  components: readonly Component[],
  source: SourceOptions,
  manifest: Manifest,
  operationId: string,
  dependencies: Dependencies & { readonly host: ContentsHost },
): Promise<Check[]> {
  const { reporter, clock, signal, host } = dependencies;
  const context: CheckContext = {
    ...(await workbenchOrNone(host, operationId, dependencies)),
    ...{ reporter, clock, signal, manifest },
    ...source,
    open: async (component) =>
      openComponent(source, component, signal, (bytes) =>
        reporter.progress(component.name, { bytes, of: component.plainBytes }),
      ),
  };
  const images = { hasImage: async (id: string) => hasImage(await host.engine(), id) };
  const read = async (component: Component, own: AbortSignal) => {
    const found = await checkComponent(component, { ...context, signal: own }, images);
    for (const { status, name, detail } of found) {
      reporter.info(`${status} ${component.name} ${name}: ${detail}`);
    }
    return found;
  };
  const found = await eachOf(components, { limit: componentsAtOnce, signal }, read);
  return found.flat();
}

/** Most of a backup can be read while the engine is down. The rest is unverifiable, not damaged. */
async function workbenchOrNone(
  host: Pick<Host, "workbench">,
  operationId: string,
  dependencies: Dependencies,
): Promise<Pick<Workbench, "containers" | "tasks">> {
  try {
    return await host.workbench(operationId, dependencies);
  } catch (cause) {
    if (!(cause instanceof KeeperError)) throw cause;
    const refuse = () => {
      throw new UnverifiableError(cause.message, { class: cause.class, cause });
    };
    const containers = new Proxy({} as Workbench["containers"], { get: () => refuse });
    const tasks = { run: async () => refuse(), keep: refuse, open: async () => refuse() };
    return { containers, tasks };
  }
}
