import type { Check } from "../../model/result.ts";
import type { DiscoveredStore } from "../../model/stack.ts";
import type { Clone } from "../clone/clone.ts";
import type { FillRequest } from "../fill/fill-stores.ts";
import type { Histories } from "../gate/schema.ts";
import type { SchemaPlaces } from "../gate/schema-check.ts";
import type { GateTarget } from "../gate/target.ts";
import type { WatchVerdict } from "../gate/watch.ts";
import { checkedWork } from "./checked-work.ts";
import { CloneContents } from "./clone-contents.ts";
import { CloneDatabases } from "./clone-databases.ts";
import { migrationSeconds } from "./clone-migrations.ts";
import { CloneServices } from "./clone-services.ts";
import { DataCopies } from "./data-copies.ts";
import { reasonIn, undecided } from "./gate-reason.ts";
import { imagesAfter } from "./images-after.ts";
import { noiseOf } from "./log-noise.ts";
import { complaintsIn, newComplaints } from "./new-complaints.ts";
import type { Phases } from "./phases.ts";
import { missedVariables } from "./required.ts";
import { secondStartChecks } from "./second-start.ts";
import type { Begun, Played, State } from "./stage-state.ts";
import { type StartRules, type StartVerdict, startAndWatch } from "./start-and-watch.ts";
import type { Baseline } from "./template.ts";
import type { Trial, TrialDependencies } from "./trial.ts";
import { watchProcessors } from "./watch-processors.ts";
import { countChanges, migrationsBetween, schemaChanges } from "./what-changed.ts";

const controlSoakMs = 10_000;
const laterSoakMs = 3_000;
const mostNoises = 5;
/** The shortest time that the old image gets on the migrated data. */
const leastInPlaceMs = 20_000;

/** The phases after the restore, on one clone. */
export class Stage {
  readonly #trial: Trial;
  readonly #clone: Clone;
  readonly #contents: CloneContents;
  readonly #databases: CloneDatabases;
  readonly #services: CloneServices;
  readonly #dependencies: TrialDependencies;
  #allow: readonly string[];
  #mustLog: readonly string[] = [];

  /** @param filled - the stores of the clone, those without a server at least, and how their databases are reached */
  constructor(
    trial: Trial,
    clone: Clone,
    filling: FillRequest,
    filled: { readonly stores: readonly DiscoveredStore[]; readonly places: SchemaPlaces },
    dependencies: TrialDependencies,
  ) {
    this.#trial = trial;
    this.#clone = clone;
    this.#databases = new CloneDatabases(clone, filled.places, trial, dependencies);
    this.#services = new CloneServices(clone, trial, dependencies);
    this.#contents = new CloneContents(filling, filled.stores);
    this.#dependencies = dependencies;
    this.#allow = trial.options.logAllow;
  }

  /**
   * @param filled - the clone was filled from the trial's template, by these copies: the old images need not be tried again
   */
  async play(phases: Phases, filled?: DataCopies): Promise<Played> {
    const { reporter, signal } = this.#dependencies;
    const begun =
      filled === undefined ? await this.#begin(phases) : this.#beginFromTemplate(filled);
    if ("ended" in begun) return begun.ended;
    const { before, copies, baseline } = begun;
    await this.#services.startServers();
    await this.#contents.ready();
    await this.#services.serversHealthy();
    phases.begin("upgrade");
    const processors = await watchProcessors(this.#clone, this.#dependencies);
    const { upgrade, createSeconds } = await reporter.group("Upgrade to the new images", () =>
      this.#upgrade(before),
    );
    const processorsFree = await processors();
    const { answeringSeconds } = upgrade;
    const upgraded = { passed: upgrade.passed, ...reasonIn(upgrade) };
    phases.begin("compare");
    const diskPeakBytes = await copies.bytes();
    const told = {
      requires: { environment: this.#missed(upgrade), volumes: [] },
      newLogTemplates: newComplaints(baseline.complaints, upgrade.texts),
      ...(processorsFree === undefined ? {} : { processorsFree }),
      diskPeakBytes,
    };
    const compared = upgrade.passed
      ? await reporter.group("Compare, and start once more", () =>
          checkedWork("contents", signal, () => this.#compare(before, upgrade)),
        )
      : undefined;
    phases.begin("roll-back");
    const inPlace = upgrade.passed
      ? await reporter.group("Start the old images on the migrated data", () =>
          this.#oldOnNew(baseline),
        )
      : undefined;
    const back = await reporter.group("Roll back images and data", () =>
      this.#rollBack(before, copies, { isOld: inPlace !== undefined }),
    );
    // The old images were tried in an earlier run. If they fail now as well, the new version is not to blame.
    const isProven = filled === undefined || upgrade.passed || back.passed;
    const { healthySeconds } = baseline;
    return {
      findings: {
        control: isProven ? { passed: true } : { passed: false, ...back.reason },
        upgrade: upgraded,
        ...(compared === undefined ? {} : { compared: compared.checks }),
        rolledBack: back.checks,
      },
      checks: [...upgrade.checks, ...(compared?.checks ?? []), ...back.checks],
      lastLines: upgrade.passed ? back.lastLines : upgrade.lastLines,
      histories: before.histories,
      swapSeconds: baseline.stopSeconds + createSeconds,
      ...(answeringSeconds === undefined ? {} : { answeringSeconds }),
      rehearsal: {
        control: { healthySeconds },
        ...told,
        ...compared?.rehearsal,
        rollBack: { seconds: back.seconds, ...(inPlace === undefined ? {} : { inPlace }) },
      },
    };
  }

  /** Tries the old images on the restored data, and copies it for the rollback. */
  async #begin(phases: Phases): Promise<Begun | { readonly ended: Played }> {
    const { reporter, signal } = this.#dependencies;
    const { template, workbench, options } = this.#trial;
    const { postgres } = this.#databases.places;
    const restored = await this.#databases.histories();
    phases.begin("control");
    await this.#clone.stop(signal);
    const control = await reporter.group("Control: start the old images", () =>
      this.#control(restored),
    );
    const { passed, checks, lastLines, healthySeconds = 0 } = control;
    if (!passed) {
      const findings = { control: { passed, ...reasonIn(control) } };
      return { ended: { findings, checks, lastLines, rehearsal: {} } };
    }
    const before = await this.#rest();
    await this.#clone.stop(signal);
    phases.begin("copy");
    const copies = await reporter.group("Copy the data for the rollback", () =>
      DataCopies.make(this.#clone, template, workbench.tasks, this.#dependencies),
    );
    const baseline: Baseline = {
      ...{ healthySeconds, stopSeconds: before.stopSeconds, mustLog: [...this.#mustLog] },
      noise: this.#allow.filter((one) => !options.logAllow.includes(one)),
      complaints: [...complaintsIn(control.texts)],
      contents: { ...before.contents },
      databases: {
        ...{ histories: before.histories, all: before.all, shapes: before.shapes },
        postgres: [...postgres],
      },
    };
    template?.fill(baseline);
    return { before, copies, baseline };
  }

  /** Takes from the template what the old images showed on the same data, and what it contains. */
  #beginFromTemplate(copies: DataCopies): Begun {
    const { template } = this.#trial;
    const baseline = template?.baseline;
    if (baseline === undefined) throw new Error("the template is not filled");
    this.#mustLog = baseline.mustLog;
    this.#allow = [...this.#allow, ...baseline.noise];
    const { contents, stopSeconds, databases } = baseline;
    const { histories, all, shapes } = databases;
    return { before: { contents, histories, all, shapes, stopSeconds }, copies, baseline };
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
    await this.#services.stopReplaced();
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

  /** What the upgrade changed, and whether another start migrates again. */
  async #compare(before: State, upgrade: WatchVerdict) {
    const times = await migrationSeconds(this.#clone);
    const after = await this.#rest();
    await this.#services.stopReplaced();
    const second = await this.#start(this.#databases.during(after.histories), {
      soakMs: laterSoakMs,
    });
    await this.#services.stopWriters();
    const last = await this.#databases.histories({ everywhere: true });
    const again = migrationsBetween(after.all, last);
    const { healthySeconds = 0 } = upgrade;
    const { healthySeconds: secondStartSeconds = healthySeconds } = second;
    const checks = secondStartChecks(second, secondStartSeconds, again);
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
  async #oldOnNew({ healthySeconds }: Baseline): Promise<"works" | "fails"> {
    await this.#services.stopReplaced();
    await this.#useOld();
    const healthTimeoutMs = Math.max(leastInPlaceMs, 3000 * healthySeconds);
    const databases = { schema: async () => undefined };
    const { passed } = await this.#start(databases, { soakMs: laterSoakMs, healthTimeoutMs });
    return passed ? "works" : "fails";
  }

  /**
   * Puts images and data back, and checks both: the data before anything but a store is started.
   *
   * @param isOld - the images are the old ones already
   */
  async #rollBack(before: State, copies: DataCopies, { isOld }: { readonly isOld: boolean }) {
    const { signal, clock } = this.#dependencies;
    const begunMs = clock.monotonicMs();
    await this.#clone.stop(signal);
    await copies.putBack();
    if (!isOld) await this.#useOld();
    const putBackMs = clock.monotonicMs() - begunMs;
    const { checks: counts } = await checkedWork("counts after", signal, async () => {
      await this.#services.startServers();
      return { checks: await this.#contents.compare("counts after", before.contents) };
    });
    const databases = this.#databases.after(before.histories);
    const verdict = await this.#start(databases, { soakMs: laterSoakMs });
    const checks = verdict.checks.map(
      (check): Check => ({ ...check, name: `${check.name} after` }),
    );
    const images = imagesAfter(await this.#clone.containers(), this.#trial.manifest);
    const { healthySeconds = 0, lastLines } = verdict;
    return {
      checks: [...counts, ...images, ...checks, ...undecided(verdict)],
      seconds: putBackMs / 1000 + healthySeconds,
      passed: verdict.passed,
      reason: reasonIn(verdict),
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

  /** Stops all but the store servers, and reads what they hold. */
  async #rest(): Promise<State> {
    const stopSeconds = await this.#services.stopWriters();
    const [contents, all, histories, shapes] = await Promise.all([
      this.#contents.read(),
      this.#databases.histories({ everywhere: true }),
      this.#databases.histories(),
      this.#databases.shapes(),
    ]);
    return { contents, histories, all, stopSeconds, shapes };
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
