import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { DamagedError, describeError, RefusedError, UploadFailedError } from "../core/errors.ts";
import { formatBytes } from "../core/format.ts";
import { temporaryDirectory } from "../core/temp.ts";
import type { Delivery, FileDestination, Wanted } from "./destination.ts";
import type { TransferContext } from "./object-store.ts";
import { makePipe, type Piped, releaseWriter, tarIntoPipe } from "./pipe.ts";
import { sealedFiles } from "./sealed.ts";

/** One artifact, as listed by the artifact service. */
interface ListedArtifact {
  readonly name: string;
  readonly id: number;
  readonly size: number;
  /** `sha256:` and hex; older services do not return one. */
  readonly digest?: string | undefined;
}

/** An artifact of any run of this GitHub repository. */
export interface RunArtifact extends ListedArtifact {
  readonly runId: number;
}

/** The part of GitHub's API that knows other runs; `other-runs.ts` implements it. */
export interface OtherRuns {
  /**
   * The artifacts that are kept, the newest first: of one run, or of all.
   *
   * @throws Error that names the request and its answer.
   */
  artifacts(run: number | undefined, name: string | undefined): AsyncIterable<RunArtifact>;
  /**
   * Why a run is not one of this repository's default branch; undefined if it is. What other runs upload, a pull request may
   * have made: recipients are public, and anybody can encrypt a forgery.
   */
  distrusted(run: number): Promise<string | undefined>;
}

/** The used part of the artifact service; `artifact-service.ts` implements it for GitHub. */
export interface ArtifactService {
  /** Why the service cannot be used here, in one line; undefined if it can. */
  readonly unusable: string | undefined;
  /** Reads the file once, sequentially, and stores it under the file's name. */
  upload(
    file: string,
    retentionDays: number | undefined,
  ): Promise<{ id?: number; digest?: string }>;
  list(): Promise<readonly ListedArtifact[]>;
  /** Other runs, as this token may see them. */
  otherRuns(token: string): OtherRuns;
  /** Downloads an artifact into a directory, and reports whether its digest differs from the expected one. */
  download(
    id: number,
    into: string,
    expected: string | undefined,
    from?: { readonly run: number; readonly token: string },
  ): Promise<{ readonly isOther: boolean }>;
  remove(name: string): Promise<void>;
}

/** Stores backups as artifacts of a workflow run: each is one `.tar` with only `.age` files. */
export function artifactDestination(service: ArtifactService): FileDestination {
  return {
    refuseUnready() {
      if (service.unusable === undefined) return;
      throw new RefusedError(`upload is artifact: ${service.unusable}`, { class: "no-artifacts" });
    },
    async fetch(wanted, into, { reporter, signal }) {
      const found =
        wanted.run === undefined
          ? await ofThisRun(service, wanted)
          : await ofOtherRun(service, wanted, reporter);
      const { artifact, from } = found;
      const where = from === undefined ? "" : ` of run ${from.run}`;
      reporter.info(`artifact ${artifact.name}${where}: ${formatBytes(artifact.size)}`);
      const { isOther } = await service
        .download(artifact.id, into, artifact.digest, from)
        .catch((cause: unknown) => {
          throw new RefusedError(`the artifact ${artifact.name} could not be downloaded`, {
            class: "no-artifacts",
            evidence: describeError(cause),
            cause,
          });
        });
      signal.throwIfAborted();
      if (isOther) {
        throw new DamagedError(
          `the artifact ${artifact.name} is not what was uploaded: its digest differs`,
        );
      }
      const [file, ...more] = await readdir(into);
      if (file === undefined || more.length > 0) {
        throw new RefusedError(`the artifact ${artifact.name} is not one file`, {
          class: "no-backup",
        });
      }
      return join(into, file);
    },
    async deliver({ backupId, directory, name, retentionDays }, { reporter, signal }) {
      const files = await sealedFiles(directory);
      await using temporary = await temporaryDirectory("sophon-keeper-upload-");
      const artifact = name ?? `${backupId}.tar`;
      const pipe = join(temporary.path, artifact);
      await makePipe(pipe);
      try {
        const [sent, id] = await transfer(service, pipe, retentionDays, () =>
          tarIntoPipe(pipe, directory, files, signal),
        );
        await compare(service, artifact, id, sent);
        reporter.info(`artifact ${artifact}: ${formatBytes(sent.bytes)}, sha256 ${sent.sha256}`);
        return delivery(artifact, id, sent);
      } catch (error) {
        // An incomplete artifact must not look like a backup.
        await service.remove(artifact).catch(() => undefined);
        signal.throwIfAborted();
        if (error instanceof UploadFailedError) throw error;
        throw new UploadFailedError(`the artifact could not be uploaded: ${describeError(error)}`, {
          cause: error,
          hint: `The backup itself is complete: ${directory}`,
        });
      }
    },
  };
}

interface FoundArtifact {
  readonly artifact: ListedArtifact;
  readonly from: { readonly run: number; readonly token: string } | undefined;
}

async function ofThisRun(
  service: ArtifactService,
  { name, project }: Wanted,
): Promise<FoundArtifact> {
  const all = await service.list();
  // A name of the user's own tells no project.
  const isWanted = (named: string) =>
    named.endsWith(".tar") && (!isBackupName(named, undefined) || isBackupName(named, project));
  const artifact = all
    .filter((one) => (name === undefined ? isWanted(one.name) : one.name === name))
    .toSorted((a, b) => b.id - a.id)[0];
  if (artifact !== undefined) return { artifact, from: undefined };
  const names = all.map((one) => one.name).join(", ");
  throw new RefusedError(`this run has no artifact ${name ?? "of a backup"}`, {
    class: "no-backup",
    hint: `there is ${names === "" ? "none at all" : names}; for one of another run give artifact-run: its id, or latest`,
  });
}

/**
 * Finds an artifact of another run, only among those of the default branch. Of `latest` a run that is not trusted is passed over,
 * as if it were not there: anybody could hide the last good one behind it.
 */
async function ofOtherRun(
  service: ArtifactService,
  { name, project, run = "", token }: Wanted,
  reporter: Pick<TransferContext["reporter"], "info">,
): Promise<FoundArtifact> {
  if (token === undefined) {
    throw new RefusedError(
      "artifact-run needs a token that may read other runs: give github-token",
      {
        class: "input",
      },
    );
  }
  const runs = service.otherRuns(token);
  const isWanted = (one: RunArtifact) =>
    name === undefined ? isBackupName(one.name, project) : one.name === name;
  const judged = new Map<number, string | undefined>();
  try {
    for await (const artifact of runs.artifacts(run === "latest" ? undefined : Number(run), name)) {
      const { runId } = artifact;
      if (!isWanted(artifact)) continue;
      if (!judged.has(runId)) judged.set(runId, await runs.distrusted(runId));
      const why = judged.get(runId);
      if (why === undefined) return { artifact, from: { run: runId, token } };
      reporter.info(`artifact ${artifact.name} of run ${runId} is passed over: ${why}`);
    }
  } catch (cause) {
    throw new RefusedError(`the artifacts of other runs cannot be read: ${describeError(cause)}`, {
      class: "no-artifacts",
      hint: "the job needs permissions: actions: read",
      cause,
    });
  }
  const [why] = [...judged.values()];
  const what = `no artifact ${name ?? `of a backup${project === undefined ? "" : ` of ${project}`}`}`;
  const where = run === "latest" ? "no run of the default branch has one" : `run ${run} has none`;
  throw new RefusedError(`artifact-run: ${what}: ${why === undefined ? where : why}`, {
    class: "no-backup",
    hint: "artifacts are kept for 90 days at most; `upload: artifact` makes one",
  });
}

/** Whether an artifact has the name that `upload: artifact` gives it. */
function isBackupName(name: string, project: string | undefined): boolean {
  const [, of] = /^(.+)-\d{8}T\d{6}Z-[0-9a-f]{4}\.tar$/.exec(name) ?? [];
  return of !== undefined && (project === undefined || of === project);
}

/** Runs both ends of the pipe at once. If one end fails, the other is released, and the first error counts. */
async function transfer(
  service: ArtifactService,
  pipe: string,
  retentionDays: number | undefined,
  write: () => Promise<Piped>,
): Promise<[Piped, number | undefined]> {
  const writing = write();
  const uploading = service.upload(pipe, retentionDays);
  // If the upload ends before it opens the pipe, the writer would wait for ever.
  const release = () => releaseWriter(pipe).catch(() => undefined);
  uploading.then(release, release);
  const [sent, uploaded] = await Promise.allSettled([writing, uploading]);
  if (uploaded.status === "rejected") throw uploaded.reason;
  if (sent.status === "rejected") throw sent.reason;
  const { id, digest } = uploaded.value;
  if (digest !== undefined) differ("the upload", "digest", digest, sent.value.sha256);
  return [sent.value, id];
}

/** Compares the artifact that the service lists with what was sent. */
async function compare(
  service: ArtifactService,
  name: string,
  id: number | undefined,
  sent: Piped,
): Promise<void> {
  const listed = (await service.list()).find(
    (artifact) => artifact.name === name && (id === undefined || artifact.id === id),
  );
  if (listed === undefined) {
    throw new UploadFailedError(`the artifact ${name} is not listed after its upload`);
  }
  differ("the artifact service", "size", listed.size, sent.bytes);
  const digest = listed.digest?.replace(/^sha256:/, "");
  if (digest !== undefined && digest !== "") {
    differ("the artifact service", "digest", digest, sent.sha256);
  }
}

function differ(who: string, what: string, told: string | number, sent: string | number): void {
  if (told === sent) return;
  throw new UploadFailedError(`${who} tells the ${what} ${told}, but ${sent} was sent`, {
    class: "upload-differs",
  });
}

function delivery(name: string, id: number | undefined, sent: Piped): Delivery {
  return { name, id: id === undefined ? undefined : String(id), ...sent };
}
