import type { Kind, Row } from "./row.ts";

// Logs that are no logs, or are made to take all time and memory, or to command whoever reads the report.

const fatal =
  "fail: Microsoft.EntityFrameworkCore.Database.Command[20102]\n      Failed executing DbCommand (1ms)\nUnhandled exception. Npgsql.PostgresException (0x80004005): 42P07: relation exists\n";

const bombs: Readonly<Record<string, () => string | Buffer>> = {
  nothing: () => "",
  "only line ends": () => "\n".repeat(200_000),
  "one line of 20 MB": () => "x".repeat(20 * 2 ** 20),
  "20 MB without a line end, in braces": () => "{".repeat(20 * 2 ** 20),
  "300,000 short lines": () => "info: a[0]\n      b\n".repeat(150_000),
  "100,000 exceptions": () => `${fatal}`.repeat(25_000),
  "JSON 100,000 deep": () => `${"[".repeat(100_000)}${"]".repeat(100_000)}\n`,
  "JSON objects 50,000 deep": () => `${'{"a":'.repeat(50_000)}1${"}".repeat(50_000)}\n`,
  "JSON with __proto__": () =>
    '{"__proto__":{"level":"fatal"},"message":"x","@l":"Fatal"}\n'.repeat(100),
  "JSON with a message of 10 MB": () =>
    `{"@t":"2026-01-01T00:00:00Z","@m":"${"a".repeat(10 * 2 ** 20)}"}\n`,
  "half of a JSON object": () =>
    '{"Timestamp":"2026-01-01T00:00:00Z","Message":"x\n'.repeat(10_000),
  "escapes of a terminal": () =>
    "\u001b]0;owned\u0007\u001b[2J\u001b[31mfail\u001b[0m: x[1]\n".repeat(20_000),
  "half an escape": () => "\u001b[".repeat(500_000),
  "compose prefixes without end": () => `${"a-1  | ".repeat(100_000)}fail: x\n`,
  "bytes that are no UTF-8": () => Buffer.alloc(2 ** 20, 0xff),
  "all bytes": () => Buffer.from(Array.from({ length: 2 ** 16 }, (_, at) => at & 255)),
  "NUL bytes": () => Buffer.alloc(2 ** 22),
  "UTF-16 without its other half": () =>
    Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.alloc(100_001, 0xd8)]),
  "carriage returns": () => `${"\r".repeat(1_000_000)}fail\n`,
  "a quote without end": () => `info: x[1]\n      '${"''".repeat(500_000)}\n`,
  "dots for backtracking": () => `${"a.".repeat(200_000)}!\n`,
  "digits for backtracking": () => `${"1".repeat(500_000)}ms\n`,
  "blanks for backtracking": () => `fail:${" ".repeat(1_000_000)}x\n`,
  "stack frames without end": () =>
    `Unhandled exception. System.Exception: x\n${"   at A.B() in C.cs:line 1\n".repeat(200_000)}`,
  "inner exceptions without end": () =>
    `Unhandled exception. ${"System.Exception: x ---> ".repeat(50_000)}y\n`,
  "dates from the far future": () => "99999-99-99T99:99:99Z fail x\n".repeat(10_000),
  "SQL of 5 MB": () => `Failed executing DbCommand (1ms)\n${"SELECT 1, ".repeat(500_000)}\n`,
  "nested quotes of SQL": () => `Failed executing DbCommand\n${"('".repeat(200_000)}\n`,
  "lines of 64 KB": () => `${"y".repeat(65_536)}\n`.repeat(100),
  "a started line, then noise": () =>
    `Application started.\n${"info: z[1]\n      w\n".repeat(100_000)}`,
};

const commands: Readonly<Record<string, string>> = {
  "a workflow command":
    "::stop-commands::token\n::add-mask::a\n::save-state name=started::recover\n",
  "a command after blanks": "   ::error title=x::y\n",
  "the older form of commands": "##[set-output name=x]y\n##[group]x\n",
  "a command in an exception":
    "Unhandled exception. System.Exception: x\n::set-output name=result::passed\n",
  "a command after a carriage return": "fail: x[1]\r::error::y\n",
  "escapes of a terminal": "\u001b]8;;file:///etc/passwd\u0007link\u001b]8;;\u0007\u001b[2K\n",
  "C1 controls": "fail: \u009b2J x\n",
  "turned text": "fail: \u202egnp.exe\u202c \u2066x\u2069\n",
  "line separators": "fail: a\u2028::error::b\u2029c\n",
};

const bombRows = Object.entries(bombs).map(
  ([name, make]): Row => ({
    name: `a log: ${name}`,
    expected: { code: [0, 4, 5] },
    make: () => ({ args: ["scan-log"], input: make() }),
  }),
);

const commandRows = Object.entries(commands).map(
  ([name, text]): Row => ({
    name: `a log with ${name}`,
    expected: { code: 4, result: "failed" },
    make: () => ({ args: ["scan-log"], input: `${text}${fatal.trimEnd()} ${text}` }),
  }),
);

const endless: Row = {
  name: "a log without end",
  expected: { code: 2, says: /tail --bytes/ },
  make: () => ({ args: ["scan-log"], input: { file: "/dev/zero" } }),
};

export const hostileLogs: Kind = {
  name: "logs",
  rows: [...bombRows, ...commandRows, endless],
};
