import { createHash } from "node:crypto";
import { readArchive } from "../../../archive/read-archive.ts";
import { TarScanner } from "../../../archive/tar/scanner.ts";
import { readRegularFile } from "../../../core/regular-file.ts";
import type { Check } from "../../../model/result.ts";
import { failedCheck } from "../../../stores/check-result.ts";
import { collectionOf, type HandMadeFile } from "../find-files.ts";
import { type ExamineContext, type Examined, unknownOfAll } from "./read-result.ts";

/**
 * Reads a snapshot of a Qdrant collection to its end. Compares it with the checksum file that Qdrant writes next to it, if
 * that was copied, too.
 *
 * @throws the reason of the signal. Damage is a failed check.
 */
export async function examineSnapshot(
  file: HandMadeFile,
  { signal }: Pick<ExamineContext, "signal">,
): Promise<Examined> {
  const subject = { name: "snapshot", component: file.name };
  const collection = collectionOf(file);
  const unknown = [
    ...unknownOfAll,
    "aliases, and which version of Qdrant made it: a snapshot does not hold them",
  ];
  try {
    const hash = createHash("sha256");
    const scanner = new TarScanner({ wanted: [{ name: "config.json" }] });
    for await (const chunk of readArchive({ file: file.path, compressed: false, signal })) {
      hash.update(chunk);
      scanner.update(chunk);
    }
    scanner.end();
    const sha256 = hash.digest("hex");
    const recorded = await readRegularFile(`${file.path}.checksum`, 4096).catch(() => undefined);
    const { files, found } = scanner.summary();
    const checks: Check[] = [];
    if (!found.has("config.json")) {
      checks.push({ ...subject, status: "fail", detail: "it holds no config.json" });
    } else if (recorded !== undefined && recorded.trim().toLowerCase() !== sha256) {
      const detail = `it is not what ${file.name}.checksum says: it was changed after it was made`;
      checks.push({ ...subject, status: "fail", detail });
    } else {
      const proof = recorded === undefined ? "" : ", as its checksum says";
      const detail = `collection ${collection}: ${files} files, read to the last byte${proof}`;
      checks.push({ ...subject, status: "pass", detail });
    }
    const noChecksum = `${file.name}.checksum is not beside it: a changed byte inside it is not seen`;
    return {
      ...{ file, checks, counts: {}, snapshot: { collection, sha256 } },
      unknown: recorded === undefined ? [...unknown, noChecksum] : unknown,
    };
  } catch (error) {
    signal.throwIfAborted();
    return { file, unknown, counts: {}, checks: [failedCheck(subject, error)] };
  }
}
