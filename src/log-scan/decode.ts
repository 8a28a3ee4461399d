import {
  append,
  carriesOn,
  continues,
  type Draft,
  draftOf,
  MAX_RECORD,
  RAW,
  seal,
  TRACEBACK,
} from "./draft.ts";
import type { LogEvent } from "./event.ts";
import { RULES } from "./failure-rules.ts";
import { splitGlued } from "./glued.ts";
import { journalEntries, type NumberedLine } from "./journal-entries.ts";
import { readJson } from "./json.ts";
import { openEnvelope } from "./json-envelope.ts";
import { isNewestFirst, type Line, prefixNames, readLine } from "./physical-line.ts";
import { learnLead, respell, type Unquote } from "./quote-prefix.ts";
import { type Block, openBlock } from "./record-blocks.ts";
import { readHead, startsRaw } from "./record-header.ts";

/** Lines looked at to learn which prefixes are service names. */
const SAMPLE_LINES = 5_000;

/**
 * Reads a log in any mixture of the known formats into records. `emit` gets every record once it is
 * whole; those of one service come in the order of the log.
 */
export function decode(text: string, emit: (event: LogEvent) => void): void {
  const unquote = learnLead(() => sample(text, (line) => line));
  const names = prefixNames(sample(text, unquote));
  const decoder = new Decoder(emit);
  const feeder = new Feeder(decoder, names);
  for (const [line, number] of journalEntries(text) ?? inOrder(text)) {
    feeder.feed(respell(unquote(line)), number);
  }
  decoder.finish();
}

/** The lines, the oldest first. */
function inOrder(text: string): Iterable<NumberedLine> {
  const found = numbered(text);
  return isNewestFirst(sample(text, (line) => line)) ? [...found].reverse() : found;
}

function* numbered(text: string): Generator<NumberedLine> {
  let number = 0;
  for (const line of lines(text)) {
    number += 1;
    yield [line, number];
  }
}

/** Takes off what engines and collectors put around a line, and what a screen would have hidden. */
class Feeder {
  readonly #decoder: Decoder;
  readonly #names: ReadonlySet<string>;
  /** Pieces of a line that the engine cut, in order. */
  #cut = "";

  constructor(decoder: Decoder, names: ReadonlySet<string>) {
    this.#decoder = decoder;
    this.#names = names;
  }

  feed(raw: string, number: number): void {
    const envelope = openEnvelope(raw);
    if (envelope === undefined) {
      this.#line(raw, number, "", undefined);
      return;
    }
    if (this.#cut.length < MAX_RECORD) this.#cut += envelope.text;
    if (envelope.partial && this.#cut.length < MAX_RECORD) return;
    const text = this.#cut;
    this.#cut = "";
    // A message of the journal may hold several lines.
    for (const one of text.split("\n")) this.#line(one, number, envelope.service, envelope.stamp);
  }

  #line(raw: string, number: number, service: string, stamp: string | undefined): void {
    let line: Line | undefined;
    for (const text of screens(raw)) {
      const read = readLine(text, line === undefined ? this.#names : NO_NAMES);
      // What was drawn over had no prefix of its own.
      line =
        line === undefined
          ? { ...read, service: read.service || service }
          : { ...read, service: line.service };
      for (const one of splitGlued(line.text)) {
        this.#decoder.add({ ...line, text: one, stamp: line.stamp ?? stamp }, number);
      }
    }
  }
}

const NO_NAMES: ReadonlySet<string> = new Set();

/**
 * The pieces of a line that a carriage return separates. Only a piece that begins a record counts as a line: a lone
 * carriage return also ends a line inside a record, where a screen would hide what stands before.
 */
function screens(raw: string): readonly string[] {
  if (!raw.includes("\r")) return [raw];
  const found: string[][] = [[]];
  for (const piece of raw.split("\r")) {
    const last = found.at(-1);
    const begins = piece.length >= MIN_HEAD && last?.length !== 0 && isHead(piece);
    if (begins) found.push([piece]);
    else last?.push(piece);
  }
  return found.map((pieces) => pieces.join(" ").trimEnd());
}

/** No head of a record is shorter. */
const MIN_HEAD = 8;

function isHead(piece: string): boolean {
  const { text } = readLine(piece, NO_NAMES);
  return startsRaw(text) || readHead(text) !== undefined;
}

function* lines(text: string): Generator<string> {
  let start = 0;
  while (start <= text.length) {
    const end = text.indexOf("\n", start);
    const stop = end === -1 ? text.length : end;
    const cut = stop > start && text.charCodeAt(stop - 1) === 13 ? stop - 1 : stop;
    if (end !== -1 || cut > start) yield text.slice(start, cut);
    if (end === -1) return;
    start = end + 1;
  }
}

function* sample(text: string, unquote: Unquote): Generator<string> {
  let count = 0;
  for (const line of lines(text)) {
    count += 1;
    if (count > SAMPLE_LINES) return;
    yield respell(unquote(line));
  }
}

/**
 * Whether a line that came through no logger ends a quiet record before it: the last words of a program follow what its
 * logger said last.
 */
function interrupts({ form, level }: Draft, text: string): boolean {
  const quiet = level === "info" || level === "debug" || level === "trace";
  if (form !== "text" || !quiet || text.length > 600 || /^\s|^$/.test(text)) return false;
  return RAW_RULES.some(({ pattern }) => pattern.test(text));
}
const RAW_RULES = RULES.filter(({ where }) => where === "raw");

class Decoder {
  readonly #emit: (event: LogEvent) => void;
  readonly #open = new Map<string, Draft>();
  readonly #blocks = new Map<string, { block: Block; line: Line; number: number }>();

  constructor(emit: (event: LogEvent) => void) {
    this.#emit = emit;
  }

  add(line: Line, number: number): void {
    const held = this.#blocks.get(line.service);
    if (held !== undefined) {
      const took = startsRaw(line.text) ? "foreign" : held.block.take(line.text);
      if (took === "more") return;
      this.#close(line.service);
      if (took === "done") return;
    }
    const block = openBlock(line.text);
    if (block === undefined) {
      this.#addLine(line, number);
      return;
    }
    this.#blocks.set(line.service, { block, line, number });
    if (block.take(line.text) === "done") this.#close(line.service);
  }

  /** Ends a block: it is one record, or its lines are read one by one. */
  #close(service: string): void {
    const held = this.#blocks.get(service);
    if (held === undefined) return;
    this.#blocks.delete(service);
    const { block, line, number } = held;
    const body = block.body();
    if (body !== undefined) {
      this.#start(draftOf(line, number, body, body.message, body.exception));
      return;
    }
    for (const [at, text] of block.lines.entries()) {
      this.#addLine({ ...line, text }, number + at);
    }
  }

  #addLine(line: Line, number: number): void {
    const { text, service } = line;
    const current = this.#open.get(service);
    const json = text.charCodeAt(0) === 123 ? readJson(text) : undefined;
    if (json !== undefined) {
      this.#start(draftOf(line, number, json, json.message, json.exception));
      return;
    }
    // After an error, a traceback is that error's; else it stands for itself.
    const isTraceback = text.startsWith(TRACEBACK) && !carriesOn(current);
    if (isTraceback || startsRaw(text)) {
      const exit = / exited with code \d+/.test(text);
      // An exit line names its container itself, so what came before it must go out first.
      if (exit) this.finish();
      this.#start(draftOf(line, number, exit ? { ...RAW, form: "compose" } : RAW, text, ""));
      if (exit) this.finish();
      return;
    }
    const head = readHead(text);
    if (head !== undefined) {
      this.#start(draftOf(line, number, head, head.message, ""));
      return;
    }
    if (current !== undefined && continues(current, text) && !interrupts(current, text)) {
      append(current, text);
      return;
    }
    if (text.trim() !== "") this.#start(draftOf(line, number, RAW, text, ""));
  }

  finish(): void {
    for (const service of [...this.#blocks.keys()]) this.#close(service);
    for (const draft of this.#open.values()) this.#emit(seal(draft));
    this.#open.clear();
  }

  #start(draft: Draft): void {
    const before = this.#open.get(draft.service);
    if (before !== undefined) this.#emit(seal(before));
    this.#open.set(draft.service, draft);
  }
}
