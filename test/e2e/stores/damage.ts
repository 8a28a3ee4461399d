import { mkdir, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Check } from "../../../src/model/result.ts";
import type { StorePromise } from "./subject.ts";

/** Whether a result reads as good: something was looked at, and all of it passed. */
export function looksGood(checks: readonly Check[]): boolean {
  return checks.length > 0 && checks.every(({ status }) => status === "pass");
}

/** Copies of a component's file, each damaged in one way, in directories of their own. */
export async function brokenFiles(
  file: string,
  room: string,
): Promise<{ readonly promise: StorePromise; readonly directory: string }[]> {
  const whole = await readFile(file);
  const flipped = Buffer.from(whole);
  const at = Math.floor(whole.length / 2);
  flipped.writeUInt8(flipped.readUInt8(at) ^ 1, at);
  const damaged: readonly [StorePromise, Buffer][] = [
    ["finds a cut", whole.subarray(0, at)],
    ["finds a cut", Buffer.alloc(0)],
    ["finds a flipped byte", flipped],
    ["finds foreign bytes", Buffer.from("not what it was\n")],
  ];
  await mkdir(join(room, "damaged"), { recursive: true });
  const made = damaged.map(async ([promise, bytes]) => {
    const directory = await mkdtemp(join(room, "damaged", "x-"));
    await writeFile(join(directory, basename(file)), bytes);
    return { promise, directory };
  });
  return await Promise.all(made);
}

/** Plain bytes that nobody's checksum betrays, because they were damaged before they were sealed. */
export function brokenStreams(
  plain: Buffer,
  other: Buffer | undefined,
): { readonly promise: StorePromise; readonly bytes: Buffer }[] {
  return [
    { promise: "finds a cut", bytes: plain.subarray(0, Math.floor(plain.length / 2)) },
    { promise: "finds a cut", bytes: Buffer.alloc(0) },
    { promise: "finds foreign bytes", bytes: Buffer.from("not what it was\n".repeat(64)) },
    ...(other === undefined ? [] : [{ promise: "finds foreign bytes" as const, bytes: other }]),
  ];
}
