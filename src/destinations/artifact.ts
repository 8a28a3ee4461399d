import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { DamagedError, describeError, RefusedError, UploadFailedError } from "../core/errors.ts";
import { formatBytes } from "../core/format.ts";
import { temporaryDirectory } from "../core/temp.ts";
import type { Delivery, FileDestination } from "./destination.ts";
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
  /** Downloads an artifact into a directory, and reports whether its digest differs from the expected one. */
  download(
    id: number,
    into: string,
    expected: string | undefined,
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
    async fetch(name, into, { reporter, signal }) {
      const all = await service.list();
      const found = all
        .filter((one) => (name === undefined ? one.name.endsWith(".tar") : one.name === name))
        .toSorted((a, b) => b.id - a.id)[0];
      if (found === undefined) {
        const names = all.map((one) => one.name).join(", ");
        throw new RefusedError(`this run has no artifact ${name ?? "of a backup"}`, {
          class: "no-backup",
          hint: `there is ${names === "" ? "none at all" : names}; of another run, download it in a step before and give the path of the .tar as backup`,
        });
      }
      reporter.info(`artifact ${found.name}: ${formatBytes(found.size)}`);
      const { isOther } = await service
        .download(found.id, into, found.digest)
        .catch((cause: unknown) => {
          throw new RefusedError(`the artifact ${found.name} could not be downloaded`, {
            class: "no-artifacts",
            evidence: describeError(cause),
            cause,
          });
        });
      signal.throwIfAborted();
      if (isOther) {
        throw new DamagedError(
          `the artifact ${found.name} is not what was uploaded: its digest differs`,
        );
      }
      const [file, ...more] = await readdir(into);
      if (file === undefined || more.length > 0) {
        throw new RefusedError(`the artifact ${found.name} is not one file`, {
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
