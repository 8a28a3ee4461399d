import { expect, it } from "vitest";
import { sendTo } from "../../../src/operations/off-host/deliver.ts";
import { sealedRepository } from "../../cli/sealed-repository.ts";
import { S3Proxy } from "../../lab/s3-proxy.ts";
import { S3Server, type Ways } from "../../lab/s3-server.ts";
import { remoteConformance, wireConformance } from "./remote-conformance.ts";
import { lockedConformance } from "./remote-locked.ts";
import { hostKey, type Subject, transferContext } from "./remote-subject.ts";
import { s3Remote, s3Subject, secondReader, testCredentials } from "./s3-subject.ts";

// The stand-in behaves as Amazon S3 is documented to, or as others were seen to.

const servers: readonly (readonly [name: string, ways: Ways])[] = [
  ["a server that keeps its promises", {}],
  ["a server with versions and small pages", { versions: true, page: 2 }],
  ["a server that believes what it is told", { believes: true, overwrites: true }],
  ["a server without checksums", { tellsNoChecksum: true, etagIsNoMd5: true }],
];

for (const [name, ways] of servers) {
  const isFurther = ways !== servers[0]?.[1];
  remoteConformance(name, () => standIn(ways), { isFurther });
}
wireConformance("a server that keeps its promises", () => standIn({}));

lockedConformance("a server with versions and locks", async () => {
  const server = await S3Server.start({ versions: true, lock: true });
  // The server asks everybody for nothing: whoever may only add is known by the address.
  const restricted = await S3Proxy.before(server.endpoint);
  restricted.fault = (method) => (method === "DELETE" ? "403" : undefined);
  const at = (endpoint: string, prefix: string, days?: number) =>
    s3Remote({
      ...{ endpoint, address: { bucket: "bucket", prefix }, partBytes: 5 * 2 ** 20 },
      lock: days === undefined ? undefined : { mode: "COMPLIANCE", days },
    });
  Object.assign(process.env, testCredentials);
  return {
    bucket: "bucket",
    owner: (prefix, days) => at(server.endpoint, prefix, days),
    appendOnly: (prefix) => at(restricted.endpoint, prefix),
    thief: secondReader(restricted.endpoint),
    [Symbol.asyncDispose]: async () => {
      await restricted[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
});

async function standIn(ways: Ways): Promise<Subject> {
  const server = await S3Server.start(ways);
  return s3Subject(server.endpoint, "bucket", {
    partMebibytes: 1,
    // On a server with versions, the disk under the only one.
    damage: async (prefix, key) => server.flip(`${prefix}/${key}`),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  });
}

it("locks what a backup is made from for as long as the backup, and tells a server that does not", async () => {
  await using server = await S3Server.start({ versions: true, lock: true });
  await using made = await sealedRepository();
  const { repository } = made;
  const [full, child] = [await made.add("2026-03-01"), await made.add("2026-03-02")];
  Object.assign(process.env, testCredentials);
  const remote = (days: number) =>
    s3Remote({
      ...{ endpoint: server.endpoint, address: { bucket: "bucket", prefix: "" } },
      ...{ partBytes: 5 * 2 ** 20, lock: { mode: "GOVERNANCE", days } },
    });
  const dependencies = { ...transferContext(), destinations: {}, version: "1.0.0" };
  const locks = () =>
    [...server.objects]
      .filter(([key]) => key.includes(`/${full}/`))
      .map(([, versions]) => Date.parse(versions[0]?.lock?.until ?? ""));
  await sendTo(remote(1), await repository.read(full), repository, hostKey, dependencies);
  const asChild = { ...(await repository.read(child)), ancestors: [full] };
  const later = Date.now() + 8 * 86_400_000;
  server.ways = { ...server.ways, forgetsRetention: true };
  const refused = sendTo(remote(9), asChild, repository, hostKey, dependencies);
  await expect(refused).rejects.toMatchObject({ class: "no-lock", exitCode: 3 });
  expect(Math.max(...locks())).toBeLessThan(later);
  server.ways = { versions: true, lock: true };
  await sendTo(remote(9), asChild, repository, hostKey, dependencies);
  expect(locks().length).toBeGreaterThan(2);
  expect(Math.min(...locks())).toBeGreaterThan(later);
});
