// @module-tag exhaustive
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { hasCommand, run } from "../../lab/run.ts";
import { installPackages } from "../../lab/tools.ts";
import { rcloneSubject } from "./rclone-subject.ts";
import { remoteConformance } from "./remote-conformance.ts";
import type { Subject } from "./remote-subject.ts";
import { Served } from "./served.ts";

// SFTP by rclone: OpenSSH's own server on this host, with keys of its own.

remoteConformance("SFTP", sftp);

const server = "/usr/sbin/sshd";

async function sftp(): Promise<Subject> {
  if (!(await hasCommand(server))) await installPackages(["openssh-server"]);
  const root = await mkdtemp(join(tmpdir(), "sophon-keeper-sshd-"));
  const [hostKey, userKey] = [join(root, "host"), join(root, "user")];
  for (const key of [hostKey, userKey]) {
    await run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key]);
  }
  await cp(`${userKey}.pub`, join(root, "authorized"));
  // Where it separates privileges.
  if (process.geteuid?.() === 0) await mkdir("/run/sshd", { recursive: true, mode: 0o755 });
  const settings = [
    ...[`HostKey ${hostKey}`, `AuthorizedKeysFile ${join(root, "authorized")}`, "StrictModes no"],
    ...["UsePAM no", "PasswordAuthentication no", "PermitRootLogin yes", "PidFile none"],
    ...["Subsystem sftp internal-sftp", "ListenAddress 127.0.0.1", "MaxStartups 100"],
  ];
  await writeFile(join(root, "sshd_config"), `${settings.join("\n")}\n`);
  let at = 0;
  const served = await Served.start((port) => {
    at = port;
    return [server, "-D", "-f", join(root, "sshd_config"), "-p", String(port)];
  });
  const remote = (data: string) =>
    [
      ...["type = alias", `remote = behind:${data}`, ""],
      ...["[behind]", "type = sftp", "host = 127.0.0.1", `port = ${at}`],
      ...[`user = ${userInfo().username}`, `key_file = ${userKey}`, "shell_type = unix"],
      "known_hosts_file = none",
    ].join("\n");
  return await rcloneSubject(remote, {
    [Symbol.asyncDispose]: async () => {
      await served[Symbol.asyncDispose]();
      await rm(root, { recursive: true, force: true });
    },
  });
}
