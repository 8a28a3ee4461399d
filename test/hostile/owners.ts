import { chmod, chown, lchown, mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Place, plainId } from "./place.ts";
import type { Kind, Row } from "./row.ts";

// A repository that another user owns or can write to, and journals, marks and work files of another user in it. Nothing
// of it is obeyed, and the way out is named.

const eve = 4242;

/** A journal that would have a file of somebody else removed. */
function journalOf(place: Place): string {
  const entry = { at: "2026-01-02T03:04:05.000Z", operation: "restore", step: "files" };
  const data = { paths: [place.at("precious")], directories: [], mounts: [place.root] };
  return `${JSON.stringify({ ...entry, data })}\n`;
}

async function plant(place: Place, name: string, content: string): Promise<string> {
  const path = join(place.repository, name);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await writeFile(path, content, { mode: 0o600 });
  return path;
}

const give = async (path: string) => await chown(path, eve, eve);
const journal = `operations/${plainId}.jsonl`;

/** Each is enough to refuse the repository. */
const foreign: Readonly<Record<string, (place: Place) => Promise<unknown>>> = {
  "the repository belongs to another user": ({ repository }) => give(repository),
  "every user may write to the repository": ({ repository }) => chmod(repository, 0o777),
  "a group may write to the repository": ({ repository }) => chmod(repository, 0o770),
  "the repository is sticky and open": ({ repository }) => chmod(repository, 0o1777),
  "the directory above belongs to another user": ({ root }) => give(root),
  "every user may write to the directory above": ({ root }) => chmod(root, 0o777),
  "a group may write to the directory above": async ({ root }) => {
    await chown(root, 0, 7);
    await chmod(root, 0o775);
  },
  "the repository is a link of another user": async (place) => {
    await symlink(place.repository, place.at("link"));
    await lchown(place.at("link"), eve, eve);
  },
  "a link to it lies where every user may write": async (place) => {
    await mkdir(place.at("open"));
    await symlink(place.repository, place.at("open/repository"));
    await symlink(place.at("open/repository"), place.at("link"));
    await chmod(place.at("open"), 0o777);
  },
  "the backups belong to another user": ({ repository }) => give(join(repository, "backups")),
  "the marks belong to another user": ({ repository }) => give(join(repository, "marks")),
  "every user may write marks": ({ repository }) => chmod(join(repository, "marks"), 0o777),
  "the journals belong to another user": ({ repository }) => give(join(repository, "operations")),
  "every user may write journals": ({ repository }) => chmod(join(repository, "operations"), 0o777),
  "a journal belongs to another user": async (place) =>
    await give(await plant(place, journal, journalOf(place))),
  "every user may write a journal": async (place) =>
    await chmod(await plant(place, journal, journalOf(place)), 0o666),
  "a journal is a link of another user": async (place) => {
    await writeFile(place.at("journal"), journalOf(place));
    await symlink(place.at("journal"), join(place.repository, journal));
    await lchown(join(place.repository, journal), eve, eve);
  },
  "a mark belongs to another user": async (place) =>
    await give(await plant(place, `marks/${plainId}.json`, "{}")),
  "a text of an edit belongs to another user": async (place) =>
    await give(await plant(place, "upgrades/one/files/compose.yaml", "services: {}")),
  "what a failed version left belongs to another user": async (place) =>
    await give(dirname(await plant(place, "failed/one", ""))),
};

const commands: Readonly<Record<string, (place: Place) => string[]>> = {
  backup: () => ["backup", "--unencrypted"],
  recover: () => ["recover"],
  prune: () => ["prune", "--keep-last", "1"],
  verify: () => ["verify", "--level", "checksum"],
  "prune --dry-run": () => ["prune", "--dry-run", "--keep-last", "1"],
  "restore --target": (place) => [
    ...["restore", "--allow-unsigned", "--target"],
    place.at("out/restored"),
  ],
  restore: () => ["restore", "--allow-unsigned"],
  upload: () => [
    ...["upload", "--upload-to", "s3://bucket/x", "--upload-endpoint"],
    ...["http://127.0.0.1:9", "--upload-path-style", "--upload-retry", "0"],
  ],
};

const rows = Object.entries(foreign).flatMap(([what, make], index) =>
  Object.entries(commands)
    .filter((_, at) => (index + at) % 2 === 0)
    .map(
      ([command, args]): Row => ({
        name: `${command}: ${what}`,
        expected: { code: 2, class: "foreign-repository", says: /`(chown|chmod) / },
        async make(place) {
          await make(place);
          const isLink = what.includes("link") && !what.startsWith("a journal");
          const repository = isLink ? place.at("link") : place.repository;
          return {
            args: [...args(place), "--repository", repository, "--project-name", "sophon"],
            env: { DOCKER_HOST: `unix://${place.original.engine}` },
            undo: () => rm(place.at("link"), { force: true }),
          };
        },
      }),
    ),
);

export const foreignOwners: Kind = {
  name: "repositories of other users",
  rows,
  missing: () => (process.getuid?.() === 0 ? undefined : "it gives files to others, as root"),
};
