import { BackupFailedError } from "../../../../src/core/errors.ts";
import type { Mount } from "../../../../src/model/stack.ts";
import { mountAt } from "../../../../src/stack/server-kind.ts";
import { failedCheck } from "../../../../src/stores/check-result.ts";
import { writeComponent } from "../../../../src/stores/sink.ts";
import type { Store, StoreContext } from "../../../../src/stores/store.ts";

/** A server that keeps its pages in one file, a line each: made up, to show what a store takes. */
export interface NotebookStore {
  readonly kind: "notebook";
  readonly name: string;
  readonly service: string;
  readonly containerId: string;
  readonly mount: Mount;
}

const directory = "/var/lib/notebook";
const file = `${directory}/pages.txt`;

/** How a notebook server is recognised. */
export const notebookMarks = { images: ["notebook"], variable: /^NOTEBOOK_HOME$/, directory };

/** How it is described. */
export async function describeNotebook({
  state,
}: {
  readonly state: { id: string; service: string; mounts: readonly Mount[] };
}): Promise<NotebookStore> {
  const { id, service, mounts } = state;
  const mount = mountAt(mounts, directory);
  if (mount === undefined) throw new Error(`${service} keeps its pages on no volume`);
  return { kind: "notebook", name: service, service, containerId: id, mount };
}

/** A notebook, copied and restored through its own server. */
export const notebookStore: Store = {
  kind: "notebook",
  backupOrder: 35,
  hasServer: true,
  checksWithImage: false,

  async backup(found, context) {
    const store = found as unknown as NotebookStore;
    const { containers, signal, clock } = context;
    const process = containers.execStream(store.containerId, ["cat", file], { signal });
    const pages = lineCounter();
    const component = await writeComponent(context.sink, {
      ...{ name: store.name, store: "notebook", service: store.service, method: "cat" },
      ...{ extension: "txt", compress: true, signal, clock, observers: [pages] },
      source: process.stdout,
      done: process.done,
      describe: () => {
        if (pages.count() === 0) throw new BackupFailedError(`${store.name}: no pages`);
        return {
          source: `service ${store.service}`,
          counts: { pages: pages.count() },
          ...{ details: {}, warnings: [], recovery: `cat > ${file}` },
        };
      },
    });
    return [component];
  },

  async check(component, context) {
    const subject = { name: "pages", component: component.name };
    try {
      const pages = lineCounter();
      for await (const chunk of await context.open(component)) pages.update(chunk as Buffer);
      const same = pages.count() === component.counts.pages;
      return [{ ...subject, status: same ? "pass" : "fail", detail: `${pages.count()} pages` }];
    } catch (error) {
      return [failedCheck(subject, error)];
    }
  },

  async restore(found, [component], context) {
    const { containerId } = found as unknown as NotebookStore;
    if (component === undefined) throw new Error("no component");
    const chunks: Buffer[] = [];
    for await (const chunk of await context.open(component)) chunks.push(chunk as Buffer);
    const input = Buffer.concat(chunks);
    const argv = ["sh", "-c", `cat > ${file}`];
    await context.containers.exec(containerId, argv, { input, signal: context.signal });
  },

  async measure(found, context) {
    return { pages: await countPages(found as unknown as NotebookStore, context) };
  },

  async ready(found, context) {
    const { containerId } = found as unknown as NotebookStore;
    await context.containers.exec(containerId, ["test", "-d", directory]);
  },
};

async function countPages(store: NotebookStore, context: StoreContext): Promise<number> {
  const { stdout } = await context.containers.exec(store.containerId, ["wc", "-l", file]);
  return Number.parseInt(stdout, 10);
}

function lineCounter() {
  let lines = 0;
  return {
    update: (chunk: Buffer) => {
      for (const byte of chunk) if (byte === 10) lines++;
    },
    count: () => lines,
  };
}
