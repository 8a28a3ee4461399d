// Stands in for the ssh2 package in the bundle: dockerode only needs it for an engine behind SSH, which
// is refused anyway, and its compiled parts cannot be bundled.

/** @throws Error always. */
export class Client {
  constructor() {
    throw new Error("an engine behind SSH is not supported: run on the host of the stack");
  }
}
