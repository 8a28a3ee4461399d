import { describe, expect, it } from "vitest";
import type { ComposeModel } from "../../../src/model/stack.ts";
import { expectationsOf } from "../../../src/operations/clone/expectations.ts";
import { portsOf } from "../../../src/stack/socket-table.ts";

const started = { depends_on: { migrate: { condition: "service_completed_successfully" } } };
const web = { ports: [{ target: 80 }, { target: 443 }, { target: 53, protocol: "udp" }] };

/** What is expected of one service, which ran when the backup was made unless told otherwise. */
function expected(
  service: Record<string, unknown>,
  {
    state = "running",
    image = "vendor/app:1",
    live,
    failed,
  }: {
    state?: string;
    image?: string;
    live?: number[];
    failed?: Readonly<Record<string, number>>;
  } = {},
  others: Record<string, unknown> = {},
) {
  const model = {
    name: "live",
    services: { migrate: service, ...others },
  } as unknown as ComposeModel;
  const record = { image, imageId: "i", repoDigest: null, state, replicas: 1 };
  const ports = new Map(live === undefined ? [] : [["migrate", live] as const]);
  const manifest = { services: { migrate: record } };
  const servers = new Set(["database"]);
  return expectationsOf({ model, manifest, servers, live: ports, failed }).get("migrate");
}

describe("what a service of a clone has to do", () => {
  it("is to end where others wait for that, and may end where it had ended for good", () => {
    expect(expected({}, {}, { app: started })?.ends).toBe("must");
    expect(expected({}, { state: "exited" })?.ends).toBe("may");
    expect(expected({ restart: "unless-stopped" }, { state: "exited" })?.ends).toBe("never");
    expect(expected({})?.ends).toBe("never");
  });

  it("is nothing for a job that had failed, unless others wait for it or it is started again", () => {
    const before = { state: "exited", failed: { migrate: 3 } };
    expect(expected({}, before)).toBeUndefined();
    expect(expected({}, before, { app: started })?.ends).toBe("must");
    expect(expected({ restart: "always" }, before)?.ends).toBe("never");
    expect(expected({}, { state: "exited", failed: { other: 3 } })?.ends).toBe("may");
  });

  it("is to answer on a declared port, on all of those on which the live one listens", () => {
    expect(expected(web)).toMatchObject({ ports: [80, 443], needs: "any", wants: "answer" });
    expect(expected(web, { live: [80, 9000] })).toMatchObject({ ports: [80], needs: "all" });
    expect(expected(web, { live: [9000] })).toMatchObject({ ports: [9000], needs: "any" });
    expect(expected(web, { live: [] })).toMatchObject({ ports: [] });
    expect(expected({ expose: ["8000/tcp", "9-10"] })).toMatchObject({ ports: [8000] });
    expect(expected({ network_mode: "host" }, { live: [22] })).toMatchObject({ ports: [] });
  });

  it("is to be healthy on the product's own health path", () => {
    const gateway = expected(web, { image: "registry/vendor/sophon:1.2.0" });
    expect(gateway).toMatchObject({ ports: [8081], path: "/api/health", wants: "success" });
  });
});

describe("the ports on which a container listens", () => {
  it("are read from the kernel's table, without its loopback and random ones", () => {
    const table = `  sl  local_address rem_address   st tx_queue
   0: 0B00007F:8901 00000000:0000 0A 00000000:00000000
   1: 00000000:1F91 00000000:0000 0A 00000000:00000000
   2: 020012AC:1F91 0100007F:9F90 01 00000000:00000000
   3: 0100007F:0050 00000000:0000 0A 00000000:00000000
   0: 00000000000000000000000000000000:01BB 00000000000000000000000000000000:0000 0A 0
   1: 00000000000000000000000001000000:0019 00000000000000000000000000000000:0000 0A 0
   2: 0000000000000000FFFF00000100007F:0016 00000000000000000000000000000000:0000 0A 0
   4: 00000000:C350 00000000:0000 0A 00000000:00000000
`;
    expect(portsOf(table)).toEqual([443, 8081]);
  });
});
