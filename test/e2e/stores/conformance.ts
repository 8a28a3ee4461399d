import { mkdir, readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { newKeyPair } from "../../../src/archive/age/keys.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { describeError } from "../../../src/core/errors.ts";
import { sha256Hex } from "../../../src/core/hash.ts";
import { silentReporter } from "../../../src/core/reporter.ts";
import { temporaryDirectory } from "../../../src/core/temp.ts";
import { UndoStack } from "../../../src/core/undo.ts";
import type { Component, Manifest } from "../../../src/model/manifest.ts";
import type { DiscoveredStore } from "../../../src/model/stack.ts";
import { compareByName } from "../../../src/stores/check-result.ts";
import { openComponent, type SourceOptions } from "../../../src/stores/reader.ts";
import type {
  BackupContext,
  CheckContext,
  Counts,
  RestoreContext,
  Store,
} from "../../../src/stores/store.ts";
import { until } from "../../lab/step.ts";
import { brokenFiles, brokenStreams, looksGood } from "./damage.ts";
import type { StorePromise, Subject } from "./subject.ts";

/** A promise that was broken, and how. */
export interface Broken {
  readonly promise: StorePromise;
  readonly detail: string;
}

const readyMs = 180_000;
const endMs = 10_000;

/** Runs one store through the contract of `src/stores/store.ts`, on real data. Gives what it breaks: nothing, for a good one. */
export async function conformance(store: Store, subject: Subject): Promise<Broken[]> {
  await using directory = await temporaryDirectory("sk-conformance-");
  const broken: Broken[] = [];
  const run: Run = { store, subject, directory: directory.path, broken };
  const state = await subject.state();
  const taken = await takeBackup(run, state);
  if (taken === undefined) return broken;
  await readBack(run, taken);
  await damage(run, taken);
  await restore(run, taken);
  await cancel(run, taken);
  return broken;
}

interface Run {
  readonly store: Store;
  readonly subject: Subject;
  readonly directory: string;
  readonly broken: Broken[];
}

interface Taken {
  readonly components: readonly Component[];
  readonly source: SourceOptions;
  /** When the backup began and ended, in milliseconds since the epoch. */
  readonly sinceMs: number;
  readonly untilMs: number;
  readonly context: CheckContext;
}

/** Notes a promise as broken when `work` throws or gives a reason. */
async function promised<T>(
  { broken }: Run,
  promise: StorePromise,
  work: () => Promise<T | string>,
): Promise<T | undefined> {
  try {
    const result = await work();
    if (typeof result !== "string") return result;
    broken.push({ promise, detail: result });
  } catch (error) {
    broken.push({ promise, detail: describeError(error) });
  }
  return undefined;
}

async function takeBackup(run: Run, state: unknown): Promise<Taken | undefined> {
  const { store, subject } = run;
  const { identity, recipient } = await newKeyPair();
  const sink = { directory: join(run.directory, "backup"), recipients: [recipient] };
  await mkdir(sink.directory);
  const writes = subject.writes().length;
  await until("the store is written to", readyMs, async () => subject.writes().length > writes + 5);
  const taken = await promised(run, "backs up what is written to", async () => {
    const sinceMs = Date.now();
    const context = backupContext(subject, { ...sink, passphrase: undefined });
    const components = await store.backup(subject.store, context);
    const untilMs = Date.now();
    await until("the store is written to afterwards", readyMs, async () =>
      subject.writes().some(({ at }) => at > untilMs),
    );
    const problem = await problemOf(components, store, sink.directory);
    if (problem !== undefined) return problem;
    const source = { directory: sink.directory, identities: [identity], passphrase: undefined };
    const manifest = manifestOf(components, subject);
    const open = async (component: Component) => openComponent(source, component);
    const check = { ...common(subject), ...source, manifest, open };
    return { components, source, sinceMs, untilMs, context: check };
  });
  await leftAsItWas(run, "leaves the service as it was", state);
  return taken;
}

/** What is wrong with the components as such: each is a file with the recorded bytes, and there is nothing else. */
async function problemOf(
  components: readonly Component[],
  store: Store,
  directory: string,
): Promise<string | undefined> {
  if (components.length === 0) return "no component";
  const names = new Set(components.map(({ name }) => name));
  if (names.size < components.length) return "two components of one name";
  for (const { name, file, bytes, sha256: recorded, store: kind } of components) {
    if (kind !== store.kind) return `${name} is of the store ${kind}`;
    const path = join(directory, file);
    if ((await stat(path)).size !== bytes) return `${name} has not the recorded size`;
    if (sha256Hex(await readFile(path)) !== recorded)
      return `${name} has not the recorded checksum`;
  }
  const others = (await readdir(directory)).filter(
    (name) => !components.some(({ file }) => file === name),
  );
  return others.length === 0 ? undefined : `beside the components: ${others.join(", ")}`;
}

/** A program that was ended is seen for a moment longer; what is still there after that was left. */
async function leftAsItWas({ broken, subject }: Run, promise: StorePromise, before: unknown) {
  const was = JSON.stringify(before);
  let is = "";
  const isAsItWas = async () => {
    is = JSON.stringify(await subject.state());
    return is === was;
  };
  const isKnown = broken.some((one) => one.promise === promise);
  if (await isAsItWas()) return;
  if (!isKnown && (await until("all is as it was", endMs, isAsItWas).catch(() => false))) return;
  broken.push({ promise, detail: `it was ${was} and is ${is}` });
}

async function readBack(run: Run, { components, context }: Taken): Promise<void> {
  for (const component of components) {
    await promised(run, "reads its backup as good", async () => {
      const checks = await run.store.check(component, context);
      return looksGood(checks) ? true : `${component.name}: ${JSON.stringify(checks)}`;
    });
  }
}

/** Two components stand for all: the check of each runs several times. */
async function damage(run: Run, taken: Taken): Promise<void> {
  const { components, context, source } = taken;
  const chosen = [...new Set([components[0], components.at(-1)])].filter(
    (one) => one !== undefined,
  );
  for (const component of chosen) {
    const files = await brokenFiles(join(source.directory, component.file), run.directory);
    for (const { promise, directory } of files) {
      const open = async () => openComponent({ ...source, directory }, component);
      await mustNotLookGood(run, promise, component, { ...context, directory, open });
    }
    const plain = await plainBytes(component, context);
    const others = components.filter((other) => other !== component);
    const foreign = others[0] && (await plainBytes(others[0], context));
    for (const { promise, bytes } of brokenStreams(plain, foreign)) {
      const open = async () => Readable.from([bytes]);
      await mustNotLookGood(run, promise, component, { ...context, open });
    }
  }
}

async function mustNotLookGood(
  run: Run,
  promise: StorePromise,
  component: Component,
  context: CheckContext,
): Promise<void> {
  // An error of the bytes themselves is damage, too; who calls the store says so.
  const checks = await run.store.check(component, context).catch(() => undefined);
  if (checks === undefined || !looksGood(checks)) return;
  run.broken.push({ promise, detail: `${component.name} reads as good` });
}

async function plainBytes(component: Component, { open }: CheckContext): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of await open(component)) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

async function restore(run: Run, taken: Taken): Promise<void> {
  const { subject } = run;
  await using copy = await subject.emptyCopy();
  const at = await promised(run, "restores into an empty place", async () => {
    const restored = await restoreInto(run, taken, copy);
    const { differences, keys } = await subject.read(restored);
    requireWrites(run, taken, keys);
    return differences.length === 0 ? { restored } : differences.join("; ");
  });
  if (at === undefined) return;
  await promised(run, "measures what it recorded", () => measure(run, taken, at.restored));
}

async function restoreInto(
  { store, subject }: Run,
  { components, context, source }: Taken,
  copy: Awaited<ReturnType<Subject["emptyCopy"]>>,
): Promise<DiscoveredStore> {
  const restoring: RestoreContext = {
    ...{ ...context, ...source },
    ...{ undo: new UndoStack(), journal: async () => undefined },
  };
  const serving = async () => {
    const at = await copy.serve();
    await until(`${store.kind} is ready`, readyMs, async () =>
      isReady(store, at, subject).catch(() => false),
    );
    return at;
  };
  if (store.atRest === undefined) {
    const at = await serving();
    await store.restore(at, components, restoring);
    return at;
  }
  const [{ service } = { service: undefined }] = components;
  const { name } = subject.store;
  const at = store.atRest({ name, service, components, mount: copy.mount });
  await store.restore(at, components, restoring);
  return store.hasServer ? await serving() : at;
}

async function isReady(store: Store, at: DiscoveredStore, subject: Subject): Promise<boolean> {
  if (store.ready === undefined) await store.measure(at, common(subject));
  else await store.ready(at, common(subject));
  return true;
}

/** All that was acknowledged before the backup began, and nothing that was written after its end. */
function requireWrites({ subject, broken }: Run, { sinceMs, untilMs }: Taken, keys: Set<string>) {
  const promise = "holds every acknowledged write";
  const writes = subject.writes();
  const lost = writes.filter(({ key, at }) => at < sinceMs && !keys.has(key));
  const late = writes.filter(({ key, at }) => at > untilMs && keys.has(key));
  if (lost.length > 0) broken.push({ promise, detail: `${lost.length} lost: ${lost[0]?.key}` });
  if (late.length > 0) broken.push({ promise, detail: `${late.length} are of later` });
}

async function measure(run: Run, { components }: Taken, at: DiscoveredStore) {
  const { store, subject, broken } = run;
  const compare = store.compare ?? compareByName;
  const recorded = Object.assign({}, ...components.map(({ counts }) => counts)) as Counts;
  let verdict = compare(recorded, await store.measure(at, common(subject)));
  if (verdict.status !== "pass" && store.countsSettleMs !== undefined) {
    await until("the counts settle", store.countsSettleMs, async () => {
      verdict = compare(recorded, await store.measure(at, common(subject)));
      return verdict.status === "pass";
    }).catch(() => undefined);
  }
  if (verdict.status !== "pass") return verdict.detail;
  const found = await store.measure(at, common(subject));
  const missing = Object.entries(found).map(([name, count]) => [
    name,
    typeof count === "number" ? Math.floor(count / 2) : count,
  ]);
  const less = compare(recorded, Object.fromEntries(missing) as Counts);
  const nothing = compare(recorded, {});
  for (const [what, { status }] of Object.entries({ less, nothing })) {
    if (status !== "pass") continue;
    const promise = "tells when something is missing";
    broken.push({ promise, detail: `${what} than was recorded passes` });
  }
  return true;
}

/** At several moments of a backup, and in a check. */
async function cancel(run: Run, taken: Taken): Promise<void> {
  const { store, subject, broken, directory } = run;
  const promise = "leaves nothing when cancelled";
  // What a whole backup leaves was told before.
  const state = await subject.state();
  let stopped = 0;
  for (const part of [0.2, 0.7]) {
    const sink = join(directory, `cancelled-${part}`);
    await mkdir(sink);
    const signal = AbortSignal.timeout(Math.round((taken.untilMs - taken.sinceMs) * part));
    const given = { directory: sink, recipients: [], passphrase: undefined };
    const context = { ...backupContext(subject, given), signal };
    const done = await store.backup(subject.store, context).then(
      () => true,
      () => false,
    );
    if (!done) stopped++;
    for (const { name, error } of await context.undo.unwind()) {
      broken.push({ promise, detail: `${name}: ${describeError(error)}` });
    }
    await leftAsItWas(run, promise, state);
  }
  if (stopped === 0) broken.push({ promise, detail: "a backup goes on when it is cancelled" });
  const [component] = taken.components;
  if (component === undefined) return;
  const controller = new AbortController();
  const open = async (wanted: Component) => {
    controller.abort(new Error("cancelled"));
    return await taken.context.open(wanted);
  };
  const context = { ...taken.context, open, signal: controller.signal };
  await store.check(component, context).catch(() => undefined);
  await leftAsItWas(run, promise, state);
}

function common({ containers, tasks }: Subject) {
  const signal = new AbortController().signal;
  return { containers, tasks, reporter: silentReporter, clock: systemClock, signal };
}

function backupContext(subject: Subject, sink: BackupContext["sink"]): BackupContext {
  return {
    ...common(subject),
    ...{ sink, undo: new UndoStack(), journal: async () => undefined },
    rabbitmqMessages: "pause",
  };
}

function manifestOf(components: readonly Component[], { images }: Subject): Manifest {
  const services = Object.fromEntries(
    Object.entries(images).map(([name, imageId]) => [name, { imageId }]),
  );
  return { services, components } as unknown as Manifest;
}
