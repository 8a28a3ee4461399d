import type { FailureClass } from "./failure-class.ts";

/**
 * PostgreSQL error codes that a migration or a start meets, whole or by their first two characters.
 * Source: PostgreSQL manual, appendix "PostgreSQL Error Codes" (17).
 */
const SQLSTATES: Readonly<Record<string, FailureClass>> = {
  "08": "database-connection",
  "0A": "migration",
  "0L": "database-auth",
  "0P": "database-auth",
  "21": "migration",
  "22": "migration",
  "23": "migration",
  "25": "migration",
  "28": "database-auth",
  "3D": "database-connection",
  "3F": "schema-conflict",
  "40": "migration",
  "42": "migration",
  "44": "migration",
  "2B": "migration",
  "54": "migration",
  "55": "migration",
  P0: "migration",
  XX: "corruption",
  "42501": "database-auth",
  "42701": "schema-conflict",
  "42703": "schema-conflict",
  "42704": "schema-conflict",
  "42710": "schema-conflict",
  "42723": "schema-conflict",
  "42P01": "schema-conflict",
  "42S01": "schema-conflict",
  "42S02": "schema-conflict",
  "42S21": "schema-conflict",
  "42S22": "schema-conflict",
  "42P04": "schema-conflict",
  "42P06": "schema-conflict",
  "42P07": "schema-conflict",
  "40001": "lock-timeout",
  "40P01": "lock-timeout",
  "25006": "config",
  "53100": "disk-full",
  "53200": "crash",
  "53300": "database-connection",
  "53400": "config",
  "55006": "lock-timeout",
  "55P03": "lock-timeout",
  "57014": "lock-timeout",
  "57P01": "database-connection",
  "57P02": "database-connection",
  "57P03": "database-connection",
  "57P05": "database-connection",
  "58030": "corruption",
  "58P01": "config",
  XX000: "migration",
  XX001: "corruption",
  XX002: "corruption",
};

/** The class of a PostgreSQL error code; undefined for five characters that are none. */
export function sqlStateClass(code: string): FailureClass | undefined {
  // The prepared-transaction code 25P02 only follows from an earlier error.
  if (code === "25P02" || code === "00000") return undefined;
  return SQLSTATES[code] ?? (/\d/.test(code) ? SQLSTATES[code.slice(0, 2)] : undefined);
}

/** SQLite primary result codes. Source: https://www.sqlite.org/rescode.html */
const SQLITE_CODES: Readonly<Record<number, FailureClass>> = {
  1: "migration",
  3: "config",
  4: "lock-timeout",
  5: "lock-timeout",
  6: "lock-timeout",
  7: "crash",
  8: "config",
  9: "lock-timeout",
  10: "corruption",
  11: "corruption",
  13: "disk-full",
  14: "config",
  15: "lock-timeout",
  17: "schema-conflict",
  18: "migration",
  19: "migration",
  20: "migration",
  21: "migration",
  23: "database-auth",
  25: "migration",
  26: "corruption",
};

const SQLITE_NAMES: Readonly<Record<string, number>> = {
  SQLITE_BUSY: 5,
  SQLITE_LOCKED: 6,
  SQLITE_READONLY: 8,
  SQLITE_IOERR: 10,
  SQLITE_CORRUPT: 11,
  SQLITE_FULL: 13,
  SQLITE_CANTOPEN: 14,
  SQLITE_CONSTRAINT: 19,
  SQLITE_NOTADB: 26,
};

const SQLITE_SCHEMA =
  /no such (?:table|column|index|view|trigger)|duplicate column|already exists|already another (?:table|index)|has no column named|no column named/i;

/**
 * The class of an SQLite result code or name. Code 1 covers everything that SQL text can get wrong,
 * so `near`, the text beside it, decides.
 */
export function sqliteClass(code: string, near: string): FailureClass | undefined {
  const number = SQLITE_NAMES[code.toUpperCase()] ?? Number(code) % 256;
  if (number === 1 && SQLITE_SCHEMA.test(near)) return "schema-conflict";
  return SQLITE_CODES[number];
}

/** SQL Server error numbers. Source: Microsoft "Database engine events and errors". */
const SQL_SERVER_NUMBERS: Readonly<Record<number, FailureClass>> = {
  [-2]: "lock-timeout",
  2: "database-connection",
  53: "database-connection",
  207: "schema-conflict",
  208: "schema-conflict",
  229: "database-auth",
  262: "database-auth",
  515: "migration",
  547: "migration",
  823: "corruption",
  824: "corruption",
  825: "corruption",
  1101: "disk-full",
  1105: "disk-full",
  1205: "lock-timeout",
  1222: "lock-timeout",
  1505: "migration",
  1750: "migration",
  1785: "migration",
  1801: "schema-conflict",
  1913: "schema-conflict",
  2601: "migration",
  2627: "migration",
  2705: "schema-conflict",
  2714: "schema-conflict",
  3701: "schema-conflict",
  3728: "schema-conflict",
  4060: "database-auth",
  4902: "schema-conflict",
  4922: "migration",
  4924: "schema-conflict",
  5074: "migration",
  9002: "disk-full",
  18452: "database-auth",
  18456: "database-auth",
};

/** The class of an SQL Server error number; undefined for one that is not listed. */
export function sqlServerClass(number: number): FailureClass | undefined {
  return SQL_SERVER_NUMBERS[number];
}

/** MySQL and MariaDB server error numbers. Source: MySQL 8.4 "Server Error Message Reference". */
const MYSQL_NUMBERS: Readonly<Record<number, FailureClass>> = {
  1021: "disk-full",
  1044: "database-auth",
  1045: "database-auth",
  1049: "database-connection",
  1050: "schema-conflict",
  1051: "schema-conflict",
  1054: "schema-conflict",
  1060: "schema-conflict",
  1061: "schema-conflict",
  1062: "migration",
  1064: "migration",
  1091: "schema-conflict",
  1114: "disk-full",
  1142: "database-auth",
  1146: "schema-conflict",
  1205: "lock-timeout",
  1213: "lock-timeout",
  1451: "migration",
  1452: "migration",
};

/** The class of a MySQL error number; undefined for one that is not listed. */
export function mysqlClass(number: number): FailureClass | undefined {
  return MYSQL_NUMBERS[number];
}
