/** One member of a tar: its name, its type and its content. */
type Member = readonly [name: string, type: string, content: string | Buffer];

/** A tar as GNU tar writes it, with whole blocks and two of zeros. */
export function tarOf(members: readonly Member[]): Buffer {
  const blocks = members.flatMap(([name, type, content]) => {
    const body = Buffer.from(content);
    return [headerOf(name, type, body.length), body, Buffer.alloc(-body.length & 511)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

function headerOf(name: string, type: string, size: number): Buffer {
  const header = Buffer.alloc(512);
  header.write(name, 0, 100);
  header.write("0000644\0", 100);
  header.write("0000000\0", 108);
  header.write("0000000\0", 116);
  header.write(`${size.toString(8).padStart(11, "0")}\0`, 124);
  header.write("14000000000\0", 136);
  header.write("        ", 148);
  header.write(type, 156);
  header.write("ustar\x0000", 257, "latin1");
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return header;
}

/** Sets the checksum of each whole block that looks like a header: else almost every mutation is found at once. */
export function withChecksums(tar: Buffer): Buffer {
  const copy = Buffer.from(tar);
  for (let at = 0; at + 512 <= copy.length; at += 512) {
    if (copy.toString("latin1", at + 257, at + 262) !== "ustar") continue;
    copy.write("        ", at + 148);
    const sum = copy.subarray(at, at + 512).reduce((total, byte) => total + byte, 0);
    copy.write(`${sum.toString(8).padStart(6, "0")}\0 `, at + 148);
  }
  return copy;
}

/** The records of a pax header. */
export function paxRecords(records: Readonly<Record<string, string>>): string {
  return Object.entries(records)
    .map(([key, value]) => {
      const rest = ` ${key}=${value}\n`;
      const length = rest.length + String(rest.length + 2).length;
      return `${length}${rest}`;
    })
    .join("");
}

export const manifestText = `${JSON.stringify(
  {
    ...{
      schemaVersion: 1,
      id: "sophon-20260102T030405Z-00aa",
      createdAt: "2026-01-02T03:04:05.000Z",
    },
    ...{
      finishedAt: "2026-01-02T03:04:06.000Z",
      toolVersion: "0.1.0",
      host: "h",
      project: "sophon",
    },
    ...{ tier: "pro", consistency: "live" },
    services: {
      db: {
        image: "postgres:17",
        imageId: "sha256:0",
        repoDigest: null,
        state: "running",
        replicas: 1,
      },
    },
    ...{ storeVersions: { db: "17.6" }, brokerNodeName: null, schemaHeads: { app: "2026_Init" } },
    vaultKeyFingerprint: "0123456789abcdef",
    components: [
      {
        ...{ name: "data", store: "data", method: "tar", startedAt: "2026-01-02T03:04:05.000Z" },
        ...{ endedAt: "2026-01-02T03:04:06.000Z", file: "data.tar.zst.age", bytes: 100 },
        ...{ sha256: "0".repeat(64), plainBytes: 300, compression: "zstd", encryption: "age" },
        ...{
          source: "/data",
          counts: { files: 3, rows: { min: 1, max: 2 } },
          details: { a: [1, null] },
        },
        ...{ warnings: [], recovery: "age -d | tar -x" },
      },
    ],
    warnings: ["one"],
    sealed: { bytes: 10, sha256: "1".repeat(64) },
  },
  null,
  2,
)}\n`;

export const logs: readonly string[] = [
  "info: Microsoft.EntityFrameworkCore.Migrations[20402]\n      Applying migration '20260101_Init'.\nApplication started. Press Ctrl+C to shut down.\n",
  "gateway-1  | fail: Microsoft.EntityFrameworkCore.Database.Command[20102]\ngateway-1  |       Failed executing DbCommand (1ms) [Parameters=[], CommandType='Text', CommandTimeout='30']\ngateway-1  |       ALTER TABLE \"Users\" ADD \"Age\" integer;\nUnhandled exception. Npgsql.PostgresException (0x80004005): 42701: column exists\n   at Npgsql.Internal.NpgsqlConnector.ReadMessageLong()\n",
  '{"@t":"2026-01-01T00:00:00Z","@mt":"Applying migration {m}","m":"x","@l":"Error","@x":"System.Exception: y\\n   at A.B()"}\n',
  "\u001b[41m\u001b[30mfail\u001b[39m: Microsoft.Extensions.Hosting.Internal.Host[11]\r\n      Hosting failed to start\r\n",
];

export const sqlTexts: readonly string[] = [
  "--\n-- PostgreSQL database dump\n--\n\nSET statement_timeout = 0;\nCREATE TABLE public.t (\n    a integer DEFAULT 1,\n    b text DEFAULT E'x\\'y'\n);\nCOPY public.t (a, b) FROM stdin;\n1\tone\n2\t\\N\n\\.\n--\n-- PostgreSQL database dump complete\n--\n",
  "CREATE FUNCTION public.f() RETURNS integer LANGUAGE plpgsql AS $body$ BEGIN RETURN 1; -- ' \" \nEND $body$;\n/* a /* nested */ comment */ INSERT INTO public.t VALUES (1, 'it''s'), (2, NULL);\n",
  "\\restrict abc\nCOMMIT;\n\\! id\nDROP DATABASE x;\nSELECT pg_catalog.setval('public.s', 3, true);\n\\unrestrict abc\n$$ $a$ :'x' U&'\\0041' E'\\\\' \\connect y\n",
];
