import { expect, test } from "vitest";
import { throwAwayRemover } from "../../../src/stack/containers.ts";
import type { Engine } from "../../../src/stack/engine.ts";

const container = { name: "sophon-keeper-run-1", image: "image", labels: {} };

/** A STAND-IN for an engine that creates slowly, which no real one can be made to do without harm to other tests. */
class SlowEngine {
  /** A name is taken before its container can be seen. */
  readonly names = new Set<string>();
  readonly containers = new Set<string>();

  readonly engine = {
    docker: {
      getContainer: (name: string) => ({
        remove: async () => this.remove(name),
        inspect: async () => {
          if (!this.containers.has(name)) throw refusal(404);
          return {};
        },
      }),
      createContainer: async ({ name }: { name: string }) => {
        this.begin(name);
        this.finish(name);
        return { remove: async () => this.remove(name) };
      },
    },
  } as unknown as Engine;

  begin(name: string): void {
    if (this.names.has(name)) throw refusal(409);
    this.names.add(name);
  }

  finish(name: string): void {
    this.containers.add(name);
  }

  private remove(name: string): void {
    if (!this.containers.delete(name)) throw refusal(404);
    this.names.delete(name);
  }
}

function refusal(statusCode: number): Error {
  return Object.assign(new Error(`the engine answers ${statusCode}`), { statusCode });
}

const left = ({ names, containers }: SlowEngine) => [...names, ...containers];

test("a container that the engine is still creating for a killed client is removed when it is there", async () => {
  const slow = new SlowEngine();
  slow.begin(container.name);
  setTimeout(() => slow.finish(container.name), 1_500);
  await throwAwayRemover(slow.engine)(container, true);
  expect(left(slow)).toEqual([]);
});

test("a request of a killed client that the engine reads late makes no container", async () => {
  const slow = new SlowEngine();
  const late = new Promise((resolve, reject) => {
    setTimeout(() => {
      try {
        resolve(slow.begin(container.name));
      } catch (error) {
        reject(error);
      }
    }, 300);
  });
  await Promise.all([
    throwAwayRemover(slow.engine)(container, true),
    expect(late).rejects.toThrow("409"),
  ]);
  expect(left(slow)).toEqual([]);
});

test("nothing is waited for when the client ended by itself", async () => {
  const slow = new SlowEngine();
  const began = performance.now();
  await throwAwayRemover(slow.engine)(container, false);
  expect(performance.now() - began).toBeLessThan(500);
});
