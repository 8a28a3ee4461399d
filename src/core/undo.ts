/**
 * A stack of undo steps. Register the undo immediately after acquiring something.
 *
 * `unwind` runs all undo steps in reverse order, even if one fails; `commit` discards them.
 * A failed undo step is reported in addition to the first error, never instead of it.
 */
export class UndoStack {
  #isCommitted = false;
  readonly #steps: (UndoStack | { readonly name: string; readonly undo: () => unknown })[] = [];

  /** Registers an undo step with a readable name, such as `unpause rabbitmq`. */
  add(name: string, undo: () => unknown): void {
    this.#steps.push({ name, undo });
  }

  /** A part whose `commit` forgets only what the part registered; until then it is undone with the whole. */
  part(): UndoStack {
    const part = new UndoStack();
    this.#steps.push(part);
    return part;
  }

  /** Whether something was committed: an error after it did not leave everything as it was. */
  get isCommitted(): boolean {
    return this.#isCommitted;
  }

  /** Success: what was acquired stays, nothing will be undone. */
  commit(): void {
    this.#isCommitted = true;
    this.#steps.length = 0;
  }

  /** Runs all undo steps in reverse order and returns the failed ones by name. Safe to call twice. */
  async unwind(): Promise<{ readonly name: string; readonly error: unknown }[]> {
    const failed: { name: string; error: unknown }[] = [];
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      if (step instanceof UndoStack) {
        failed.push(...(await step.unwind()));
        continue;
      }
      try {
        await step.undo();
      } catch (error) {
        failed.push({ name: step.name, error });
      }
    }
    return failed;
  }
}
