import { S3Server, type Ways } from "../../lab/s3-server.ts";
import { remoteConformance, wireConformance } from "./remote-conformance.ts";
import type { Subject } from "./remote-subject.ts";
import { s3Subject } from "./s3-subject.ts";

// The stand-in behaves as Amazon S3 is documented to, or as others were seen to.

const servers: readonly (readonly [name: string, ways: Ways])[] = [
  ["a server that keeps its promises", {}],
  ["a server with versions and small pages", { versions: true, page: 2 }],
  ["a server that believes what it is told", { believes: true, overwrites: true }],
  ["a server without checksums", { tellsNoChecksum: true, etagIsNoMd5: true }],
];

for (const [name, ways] of servers) remoteConformance(name, () => standIn(ways));
wireConformance("a server that keeps its promises", () => standIn({}));

async function standIn(ways: Ways): Promise<Subject> {
  const server = await S3Server.start(ways);
  return s3Subject(server.endpoint, "bucket", {
    partMebibytes: 1,
    // On a server with versions, the disk under the only one.
    damage: async (prefix, key) => server.flip(`${prefix}/${key}`),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  });
}
