/** The kernel assigns ports from here on at random (`ip_local_port_range`); they are not fixed ports of a server. */
const firstRandomPort = 32_768;
const listening = "0A";

/** Reads `/proc/net/tcp` and `tcp6` (proc(5)): address and port in hex, then the state. */
export function portsOf(table: string): number[] {
  const ports = [...table.matchAll(/^\s*\d+: ([0-9A-F]+):([0-9A-F]{4}) \S+ ([0-9A-F]{2})/gm)]
    .filter(([, address = "", , state]) => state === listening && !isLoopback(address))
    .map(([, , port = ""]) => Number.parseInt(port, 16))
    .filter((port) => port > 0 && port < firstRandomPort);
  return [...new Set(ports)].toSorted((a, b) => a - b);
}

/** 127.0.0.0/8 (also as an IPv6 address) and ::1, each group of four bytes in host byte order. */
function isLoopback(address: string): boolean {
  return /^(0{16}FFFF0000)?[0-9A-F]{6}7F$|^0{24}01000000$/.test(address);
}
