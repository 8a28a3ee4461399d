import type { LabStack } from "./lab-stack.ts";

/** Lets the writers of a running gateway begin, whatever its environment said. */
export async function startWriters(stack: LabStack): Promise<void> {
  await post(stack, "start");
}

/** Stops the writers; when it resolves no write is in flight and the ledger is complete. */
export async function stopWriters(stack: LabStack): Promise<void> {
  const { stopped } = (await post(stack, "stop")) as { stopped: boolean };
  if (!stopped) throw new Error("a writer is still waiting for its store");
}

/** What the gateway tells of itself: version, schema, row counts, number of credentials it can decrypt. */
export interface GatewayState {
  readonly version: string;
  readonly schema: readonly string[];
  readonly tables: Readonly<Record<string, number>>;
  readonly credentials: number;
}

/** Asks a running gateway for its state. */
export async function gatewayState(stack: LabStack): Promise<GatewayState> {
  const response = await fetch(`${stack.gatewayUrl}/api/state`);
  if (!response.ok) throw new Error(`/api/state: ${response.status} ${await response.text()}`);
  return (await response.json()) as GatewayState;
}

async function post(stack: LabStack, action: "start" | "stop"): Promise<unknown> {
  const response = await fetch(`${stack.gatewayUrl}/lab/writers/${action}`, { method: "POST" });
  if (!response.ok) throw new Error(`/lab/writers/${action}: ${response.status}`);
  return await response.json();
}
