import { migrationTimes } from "../../log-scan/migration-times.ts";
import type { Check } from "../../model/result.ts";
import type { DiscoveredStore } from "../../model/stack.ts";
import type { Clone } from "../clone/clone.ts";
import { contractOf } from "../fill/backed-up-store.ts";
import type { FillRequest } from "../fill/fill-stores.ts";
import type { Histories } from "../gate/schema.ts";
import type { GateTarget } from "../gate/target.ts";
import type { WatchVerdict } from "../gate/watch.ts";
import { CloneContents, type Contents } from "./clone-contents.ts";
import { CloneDatabases } from "./clone-databases.ts";
import { DataCopies } from "./data-copies.ts";
import { reasonIn, undecided } from "./gate-reason.ts";
import { noiseOf } from "./log-noise.ts";
import { newComplaints } from "./new-complaints.ts";
import type { Phases } from "./phases.ts";
import type { Findings } from "./rehearsal-verdict.ts";
import { missedVariables } from "./required.ts";
import { type StartRules, type StartVerdict, startAndWatch } from "./start-and-watch.ts";
import type { Trial, TrialDependencies, Tried } from "./trial.ts";
import { countChanges, migrationsBetween, schemaChanges } from "./what-changed.ts";

const controlSoakMs = 10_000;
const laterSoakMs = 3_000;
const mostNoises = 5;
/** The shortest time that the old image gets on the migrated data. */
const leastInPlaceMs = 20_000;

/** What the phases after the restore found. */
type Played = Omit<Tried, "findings"> & { readonly findings: Omit<Findings, "restored"> };

/** What the clone holds at one moment. */
interface State {
  readonly contents: Contents;
  /** Of the databases that the backup has. */
  readonly histories: Histories;
  /** Of these and of new databases. */
  readonly all: Histories;
  /** How long the services that are no stores took to stop. */
  readonly stopSeconds: number;
  readonly shapes: Awaited<ReturnType<CloneDatabases["shapes"]>>;
}

/** The phases after the restore, on one clone. */
export class Stage {
  readonly #trial: Trial;
  readonly #clone: Clone;
  readonly #contents: CloneContents;
  readonly #databases: CloneDatabases;
  readonly #dependencies: TrialDependencies;
  #allow: readonly string[];
  #mustLog: readonly string[] = [];

  constructor(
    trial: Trial,
    clone: Clone,
    filling: FillRequest,
    filled: readonly DiscoveredStore[],
    dependencies: TrialDependencies,
  ) {
    this.#trial = trial;
    this.#clone = clone;
    this.#databases = new CloneDatabases(clone, filled, trial, dependencies);
    this.#contents = new CloneContents(filling, filled);
    this.#dependencies = dependencies;
    this.#allow = trial.options.logAllow;
  }

  async play(phases: Phases): Promise<Played> {
    const { reporter, signal } = this.#dependencies;
    const restored = await this.#databases.histories();
    phases.begin("control");
    await this.#clone.stop(signal);
    const control = await reporter.group("Control: start the old images", () =>
      this.#control(restored),
    );
    const controlled = { passed: control.passed, ...reasonIn(control) };
    if (!control.passed) {
      const { checks, lastLines } = control;
      return { findings: { control: controlled }, checks, lastLines, rehearsal: {} };
    }
    const before = await this.#rest();
    await this.#clone.stop(signal);
    phases.begin("copy");
    const copies = await reporter.group("Copy the data for the rollback", () =>
      DataCopies.make(this.#clone, this.#trial.workbench.tasks, this.#dependencies),
    );
    phases.begin("upgrade");
    const { upgrade, createSeconds } = await reporter.group("Upgrade to the new images", () =>
      this.#upgrade(before),
    );
    const upgraded = { passed: upgrade.passed, ...reasonIn(upgrade) };
    phases.begin("compare");
    const diskPeakBytes = await copies.bytes();
    const told = {
      requires: { environment: this.#missed(upgrade), volumes: [] },
      newLogTemplates: newComplaints(control.texts, upgrade.texts),
      diskPeakBytes,
    };
    const compared = upgrade.passed
      ? await reporter.group("Compare, and start once more", () => this.#compare(before, upgrade))
      : undefined;
    phases.begin("roll-back");
    const inPlace = upgrade.passed
      ? await reporter.group("Start the old images on the migrated data", () =>
          this.#oldOnNew(control),
        )
      : undefined;
    const back = await reporter.group("Roll back images and data", () =>
      this.#rollBack(before, copies),
    );
    const { healthySeconds = 0 } = control;
    return {
      findings: {
        control: controlled,
        upgrade: upgraded,
        ...(compared === undefined ? {} : { compared: compared.checks }),
        rolledBack: back.checks,
      },
      checks: [...upgrade.checks, ...(compared?.checks ?? []), ...back.checks],
      lastLines: upgrade.passed ? back.lastLines : upgrade.lastLines,
      histories: before.histories,
      swapSeconds: before.stopSeconds + createSeconds,
      rehearsal: {
        control: { healthySeconds },
        ...told,
        ...(compared === undefined ? {} : compared.rehearsal),
        rollBack: { seconds: back.seconds, ...(inPlace === undefined ? {} : { inPlace }) },
      },
    };
  }

  /** Starts the old images. What they log in isolation although they are healthy is noise from then on. */
  async #control(restored: Histories): Promise<StartVerdict> {
    const databases = this.#databases.during(restored);
    for (let noises = 0; ; noises += 1) {
      const verdict = await this.#start(databases, { soakMs: controlSoakMs });
      this.#mustLog = Object.entries(verdict.logs).flatMap(([name, log]) =>
        log.verdict === "unverifiable" ? [] : [name],
      );
      if (verdict.passed || noises === mostNoises) return verdict;
      const noise = noiseOf(verdict).filter((one) => !this.#allow.includes(one));
      if (noise.length === 0) return verdict;
      for (const one of noise) {
        this.#dependencies.reporter.info(
          `the old version logs this too, it does not count: ${one}`,
        );
      }
      this.#allow = [...this.#allow, ...noise];
      // The containers run already: this watches them once more.
      await this.#clone.stop(this.#dependencies.signal);
    }
  }

  async #upgrade(before: State) {
    const { images, model, options } = this.#trial;
    const { signal, reporter, clock } = this.#dependencies;
    const begunMs = clock.monotonicMs();
    if (model === undefined) await this.#clone.useImages(images, signal);
    else {
      for (const line of await this.#clone.useModel(model, images, signal)) {
        reporter.info(`the clone omits ${line}`);
      }
    }
    const createSeconds = (clock.monotonicMs() - begunMs) / 1000;
    const { soakMs } = options;
    const databases = this.#databases.during(before.histories);
    const upgrade = await this.#start(databases, { soakMs, mustLog: this.#mustLog });
    return { upgrade, createSeconds };
  }

  #missed({ passed, logs }: WatchVerdict): string[] {
    const { stack, model } = this.#trial;
    return passed ? [] : missedVariables(logs, (model ?? stack.model).services);
  }

  /** How long each migration took, by its name, as the logs of the changed services tell. */
  async #migrationTimes(): Promise<Readonly<Record<string, number>>> {
    const texts = (await this.#clone.containers()).map(({ id }) => this.#clone.stampedLog(id));
    return Object.assign({}, ...(await Promise.all(texts)).map(migrationTimes));
  }

  /** What the upgrade changed, and whether another start migrates again. */
  async #compare(before: State, upgrade: WatchVerdict) {
    const { signal } = this.#dependencies;
    const times = await this.#migrationTimes();
    const after = await this.#rest();
    await this.#clone.stop(signal);
    const second = await this.#start(this.#databases.during(after.histories), {
      soakMs: laterSoakMs,
    });
    await this.#stopWriters();
    const last = await this.#databases.histories({ everywhere: true });
    const again = migrationsBetween(after.all, last);
    const { healthySeconds = 0 } = upgrade;
    const { healthySeconds: secondStartSeconds = healthySeconds } = second;
    const told = again.map(({ database, id }) => `${database}: ${id}`).join(", ");
    const checks: Check[] = [
      second.passed
        ? { name: "second start", status: "pass", detail: `${secondStartSeconds.toFixed(1)} s` }
        : {
            name: "second start",
            status: "fail",
            detail: second.reason?.message ?? "the new version does not start again",
          },
      again.length === 0
        ? { name: "migrations", status: "pass", detail: "the second start migrates nothing" }
        : {
            name: "migrations",
            status: "fail",
            detail: `the second start migrates again: ${told}`,
          },
    ];
    return {
      checks,
      rehearsal: {
        upgrade: {
          healthySeconds,
          secondStartSeconds,
          migrationSeconds: Math.max(0, healthySeconds - secondStartSeconds),
          migrations: migrationsBetween(before.all, after.all).map((one) => {
            const seconds = times[one.id];
            return seconds === undefined ? one : { ...one, seconds };
          }),
        },
        rows: countChanges(before.contents, after.contents),
        schema: schemaChanges(before.shapes, after.shapes),
      },
    };
  }

  /** Whether putting back the image alone would do. A fact and not a check. */
  async #oldOnNew(control: WatchVerdict): Promise<"works" | "fails"> {
    const { signal } = this.#dependencies;
    await this.#clone.stop(signal);
    await this.#useOld();
    const healthTimeoutMs = Math.max(leastInPlaceMs, 3000 * (control.healthySeconds ?? 0));
    const databases = { schema: async () => undefined };
    const { passed } = await this.#start(databases, { soakMs: laterSoakMs, healthTimeoutMs });
    return passed ? "works" : "fails";
  }

  /** Puts images and data back, and checks both: the data before anything but a store is started. */
  async #rollBack(before: State, copies: DataCopies) {
    const { signal, clock } = this.#dependencies;
    const begunMs = clock.monotonicMs();
    await this.#clone.stop(signal);
    await copies.putBack();
    await this.#useOld();
    const putBackMs = clock.monotonicMs() - begunMs;
    await this.#startServers();
    const counts = await this.#contents.compare("counts after", before.contents);
    const databases = this.#databases.after(before.histories);
    const verdict = await this.#start(databases, { soakMs: laterSoakMs });
    const checks = verdict.checks.map(
      (check): Check => ({ ...check, name: `${check.name} after` }),
    );
    const images = await this.#imagesAfter();
    const { healthySeconds = 0, lastLines } = verdict;
    return {
      checks: [...counts, ...images, ...checks, ...undecided(verdict)],
      seconds: putBackMs / 1000 + healthySeconds,
      lastLines,
    };
  }

  async #useOld(): Promise<void> {
    const { model, manifest, stack, images } = this.#trial;
    const { signal } = this.#dependencies;
    const own = Object.entries(manifest.services).map(([name, { imageId }]) => [name, imageId]);
    const old = Object.fromEntries(own) as Record<string, string>;
    if (model !== undefined) return void (await this.#clone.useModel(stack.model, old, signal));
    const changed = Object.keys(images).map((name) => [name, old[name] ?? ""]);
    await this.#clone.useImages(Object.fromEntries(changed), signal);
  }

  async #imagesAfter(): Promise<Check[]> {
    const { manifest } = this.#trial;
    return (await this.#clone.containers()).map(({ service, imageId }): Check => {
      const isOld = imageId === manifest.services[service]?.imageId;
      const subject = { name: "image after", component: service } as const;
      return isOld
        ? { ...subject, status: "pass", detail: imageId }
        : { ...subject, status: "fail", detail: `it runs ${imageId}` };
    });
  }

  /** Stops all but the store servers, and reads what they hold. */
  async #rest(): Promise<State> {
    const stopSeconds = await this.#stopWriters();
    const contents = await this.#contents.read();
    const all = await this.#databases.histories({ everywhere: true });
    const histories = await this.#databases.histories();
    return { contents, histories, all, stopSeconds, shapes: await this.#databases.shapes() };
  }

  /** Stops all but the store servers. @returns how many seconds it took. */
  async #stopWriters(): Promise<number> {
    const servers = new Set(this.#servers());
    const writers = this.#clone.services.filter((name) => !servers.has(name));
    const { clock, signal } = this.#dependencies;
    const begunMs = clock.monotonicMs();
    if (writers.length > 0) await this.#clone.stop(signal, writers);
    return (clock.monotonicMs() - begunMs) / 1000;
  }

  async #startServers(): Promise<void> {
    await this.#clone.start(this.#servers(), this.#dependencies.signal);
  }

  #servers(): string[] {
    return this.#trial.stores.flatMap((store) =>
      contractOf(store).hasServer && store.service !== undefined ? [store.service] : [],
    );
  }

  async #start(
    databases: Pick<GateTarget, "schema" | "activity">,
    given: Partial<StartRules>,
  ): Promise<StartVerdict> {
    const { options, masker } = this.#trial;
    const rules: StartRules = {
      healthTimeoutMs: options.healthTimeoutMs,
      soakMs: laterSoakMs,
      allow: this.#allow,
      deny: options.logDeny,
      withoutHealth: options.cloneHealth === "off",
      mask: (text) => masker.mask(text),
      ...given,
    };
    return await startAndWatch(this.#clone, databases, rules, this.#dependencies);
  }
}
