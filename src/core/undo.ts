/**
 * What was acquired and must be given back. Acquire = register the undo at once.
 *
 * `unwind` runs the undos in reverse order, each one even if another failed; `commit` forgets them.
 * An undo that fails is reported beside the first error, never instead of it.
 */
export class UndoStack {
  readonly #steps: (UndoStack | { readonly name: string; readonly undo: () => unknown })[] = [];

  /** Registers an undo under a name that a person understands, such as `unpause rabbitmq`. */
  add(name: string, undo: () => unknown): void {
    this.#steps.push({ name, undo });
  }

  /** A part whose `commit` forgets only what the part registered; until then it is undone with the whole. */
  part(): UndoStack {
    const part = new UndoStack();
    this.#steps.push(part);
    return part;
  }

  /** Success: what was acquired stays, nothing will be undone. */
  commit(): void {
    this.#steps.length = 0;
  }

  /** Undoes all in reverse order and returns what failed, by name. Safe to call twice. */
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
