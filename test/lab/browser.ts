import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as later } from "node:timers/promises";
import { hasCommand } from "./run.ts";
import { installPackages } from "./tools.ts";

/** How a page is looked at. */
export interface Look {
  /** Width of the window in CSS pixels. */
  readonly width: number;
  readonly scheme: "light" | "dark";
  /** As it is printed. */
  readonly print?: true;
}

/** Debian's Chromium, driven by its own protocol. */
export interface Browser extends AsyncDisposable {
  /** Opens a page and gives its whole picture as PNG. */
  picture(url: string, look: Look): Promise<Buffer>;
  /** Opens a page, and gives what an expression in it evaluates to. A promise is waited for. */
  evaluate(url: string, look: Look, expression: string): Promise<unknown>;
}

const endMs = 60_000;

/** Starts Chromium; installs it first where it is missing. */
export async function startBrowser(): Promise<Browser> {
  if (!(await hasCommand("chromium"))) await installPackages(["chromium"]);
  const profile = await mkdtemp(join(tmpdir(), "sophon-keeper-browser-"));
  const flags = [
    ...["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
    ...["--no-first-run", "--hide-scrollbars", "--remote-debugging-port=0"],
    `--user-data-dir=${profile}`,
  ];
  const child = spawn("chromium", [...flags, "about:blank"], { stdio: "ignore" });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const stop = async () => {
    child.kill("SIGKILL");
    await ended;
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    const port = await portOf(join(profile, "DevToolsActivePort"));
    return browserAt(port, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Chromium writes the file once it listens. */
async function portOf(file: string): Promise<number> {
  const untilMs = Date.now() + endMs;
  for (;;) {
    const [port = ""] = existsSync(file) ? (await readFile(file, "utf8")).split("\n") : [];
    if (port !== "") return Number(port);
    if (Date.now() > untilMs) throw new Error("chromium does not listen");
    await later(50);
  }
}

function browserAt(port: number, stop: () => Promise<void>): Browser {
  const opened = async <T>(url: string, look: Look, work: (page: Page) => Promise<T>) => {
    const address = `http://127.0.0.1:${port}/json`;
    const made = await fetch(`${address}/new?about:blank`, { method: "PUT" });
    const { id, webSocketDebuggerUrl } = (await made.json()) as Record<string, string>;
    const page = await connect(String(webSocketDebuggerUrl));
    try {
      await prepare(page, url, look);
      return await work(page);
    } finally {
      page.close();
      await fetch(`${address}/close/${id}`);
    }
  };
  return {
    picture: (url, look) =>
      opened(url, look, async (page) => {
        const shot = { format: "png", captureBeyondViewport: true };
        const { data } = await page.send("Page.captureScreenshot", shot);
        return Buffer.from(String(data), "base64");
      }),
    evaluate: (url, look, expression) =>
      opened(url, look, async (page) => {
        const asked = { expression, awaitPromise: true, returnByValue: true };
        const { result, exceptionDetails } = await page.send("Runtime.evaluate", asked);
        if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails));
        return (result as { value?: unknown }).value;
      }),
    [Symbol.asyncDispose]: stop,
  };
}

async function prepare(page: Page, url: string, look: Look): Promise<void> {
  const { width, scheme, print } = look;
  await page.send("Page.enable");
  // What a test puts into a page is not the page's own.
  await page.send("Page.setBypassCSP", { enabled: true });
  const size = { width, height: 800, deviceScaleFactor: 1, mobile: width < 600 };
  await page.send("Emulation.setDeviceMetricsOverride", size);
  await page.send("Emulation.setEmulatedMedia", {
    media: print === true ? "print" : "screen",
    features: [{ name: "prefers-color-scheme", value: scheme }],
  });
  const loaded = page.event("Page.loadEventFired");
  await page.send("Page.navigate", { url });
  await loaded;
}

/** A tab. */
interface Page {
  send(method: string, params?: object): Promise<Record<string, unknown>>;
  event(method: string): Promise<void>;
  close(): void;
}

async function connect(url: string): Promise<Page> {
  const socket = new WebSocket(url);
  await new Promise<void>((resolve, reject) => {
    socket.addEventListener("open", () => resolve(), { once: true });
    socket.addEventListener("error", () => reject(new Error(`no answer from ${url}`)), {
      once: true,
    });
  });
  let last = 0;
  const waiting = new Map<number | string, (message: Record<string, unknown>) => void>();
  socket.addEventListener("message", ({ data }) => {
    const message = JSON.parse(String(data)) as Record<string, unknown>;
    const key = (message.id ?? message.method) as number | string;
    waiting.get(key)?.(message);
    waiting.delete(key);
  });
  const answer = (key: number | string) =>
    new Promise<Record<string, unknown>>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`chromium is silent on ${key}`)), endMs);
      waiting.set(key, (message) => {
        clearTimeout(timer);
        resolve(message);
      });
    });
  return {
    async send(method, params = {}) {
      last += 1;
      const answered = answer(last);
      socket.send(JSON.stringify({ id: last, method, params }));
      const { result, error } = await answered;
      if (error !== undefined) throw new Error(`${method}: ${JSON.stringify(error)}`);
      return (result ?? {}) as Record<string, unknown>;
    },
    event: async (method) => void (await answer(method)),
    close: () => socket.close(),
  };
}
