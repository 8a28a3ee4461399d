import { execFileSync } from "node:child_process";

/**
 * Fills a directory with what file systems allow and backups lose: holes, links, xattrs, ACLs,
 * foreign owners, odd modes, nanoseconds before 1970, and names of every kind up to the limits.
 */
export function makeOddTree(directory: string): void {
  execFileSync("python3", ["-c", MAKE, directory], {
    stdio: ["ignore", "ignore", "inherit"],
    timeout: 120_000,
  });
}

/**
 * Everything that must survive, by path: type, mode, owner, nanoseconds, size, content, where the
 * holes are, link targets, which names are one file, xattrs of every namespace (ACLs are two).
 *
 * Told by Python's system calls and not by anything that the product uses.
 */
export function describeTree(directory: string): Record<string, unknown> {
  const options = { maxBuffer: 1e9, encoding: "utf8", timeout: 600_000 } as const;
  return JSON.parse(execFileSync("python3", ["-c", DESCRIBE, directory], options));
}

const MAKE = `
import os, sys, random, subprocess
root = os.fsencode(sys.argv[1]); os.chdir(root)
random.seed(1)
def put(name, content=b'x'):
    with open(name, 'wb') as f: f.write(content)
put(b'small', b'secret bytes'); put(b'empty', b''); put(b'one-block', b'b' * 512)
put(b'block-and-one', b'b' * 513); put(b'large', random.randbytes(9_000_001))
def holes(name, size, parts):
    with open(name, 'wb') as f:
        f.truncate(size)
        for at, data in parts: f.seek(at); f.write(data)
holes(b'holes', 50_000_000, [(4096 * i, b'd' * 4096) for i in range(0, 3000, 7)])
holes(b'holes-at-ends', 1 << 26, [(1 << 25, b'in the middle')])
holes(b'only-hole', 1_000_000, [])
os.mkdir(b'links'); put(b'links/a'); os.link(b'links/a', b'links/b'); os.link(b'links/a', b'hardlink')
os.symlink(b'/absolute/and/dangling', b'links/absolute'); os.symlink(b'../small', b'links/relative')
os.symlink(b't' * 4000, b'links/long-target'); os.symlink(b'./small', b'dot-symlink')
os.mkfifo(b'fifo'); os.mknod(b'device', 0o600 | 0o020000, os.makedev(1, 3))
put(b'n' * 255); put('\\u00fc'.encode() * 127); put(b'new\\nline'); put(b'tab\\tand "quotes\\' and \\\\ back')
put(b'\\xff\\xfe not utf-8'); put(b' leading'); put(b'trailing '); put(b'-dash'); put(b'*'); put(b'a b;c$d')
deep = b'/'.join([b'd' * 200] * 19); os.makedirs(deep); put(deep + b'/leaf')
for mode in (0o000, 0o4755, 0o2755, 0o1777, 0o400): put(b'mode-%o' % mode); os.chmod(b'mode-%o' % mode, mode)
os.mkdir(b'setgid', 0o700); os.chmod(b'setgid', 0o2770); os.mkdir(b'empty-directory', 0o500)
put(b'owned'); os.chown(b'owned', 4_000_000_000, 70); put(b'postgres'); os.chown(b'postgres', 999, 999)
os.lchown(b'links/relative', 1234, 5678)
put(b'times'); os.utime(b'times', ns=(1, 1_234_567_890_123_456_789))
put(b'before-1970'); os.utime(b'before-1970', ns=(1, -1_500_000_000))
put(b'far'); os.utime(b'far', ns=(1, 9_999_999_999_000_000_001))
put(b'xattrs'); os.setxattr(b'xattrs', b'user.plain', b'value'); os.setxattr(b'xattrs', b'user.bin', bytes(range(256)))
os.setxattr(b'xattrs', b'user.empty', b''); os.setxattr(b'xattrs', b'trusted.t', b'=\\n=')
os.setxattr(b'xattrs', b'security.capability', bytes.fromhex('0100000200040000000000000000000000000000'))
os.setxattr(b'links', b'user.on-directory', b'1')
put(b'acl'); os.mkdir(b'acl-directory')
subprocess.run(['setfacl', '-m', 'u:1234:rw,g:999:r', 'acl'], check=True)
subprocess.run(['setfacl', '-d', '-m', 'u:1234:rwx', 'acl-directory'], check=True)
os.utime(b'links', ns=(1, 1_111_111_111_111_111_111)); os.utime(b'.', ns=(1, 2_222_222_222_222_222_222)); os.chmod(b'.', 0o751)
os.utime(b'links/relative', ns=(1, 1_333_333_333_333_333_333), follow_symlinks=False)
os.sync()
`;

const DESCRIBE = `
import os, sys, json, stat, hashlib
root = os.fsencode(sys.argv[1]); os.chdir(root)
first = {}; tree = {}
def data_map(fd, size):
    parts, at = [], 0
    while at < size:
        try: start = os.lseek(fd, at, os.SEEK_DATA)
        except OSError: break
        at = os.lseek(fd, start, os.SEEK_HOLE); parts.append([start, at])
    return parts
def describe(path):
    s = os.lstat(path); e = {'mode': oct(s.st_mode), 'uid': s.st_uid, 'gid': s.st_gid, 'mtime': s.st_mtime_ns}
    if stat.S_ISREG(s.st_mode):
        fd = os.open(path, os.O_RDONLY); h = hashlib.sha256(); e['size'] = s.st_size
        e['data'] = data_map(fd, s.st_size)
        os.lseek(fd, 0, 0)
        while b := os.read(fd, 1 << 20): h.update(b)
        os.close(fd); e['sha256'] = h.hexdigest()
    if stat.S_ISLNK(s.st_mode): e['target'] = repr(os.readlink(path))
    if stat.S_ISCHR(s.st_mode): e['device'] = s.st_rdev
    if s.st_nlink > 1 and not stat.S_ISDIR(s.st_mode): e['same'] = first.setdefault(s.st_ino, repr(path))
    e['xattrs'] = {n: os.getxattr(path, n, follow_symlinks=False).hex() for n in sorted(os.listxattr(path, follow_symlinks=False))}
    tree[repr(path)] = e
    if stat.S_ISDIR(s.st_mode):
        for name in sorted(os.listdir(path)): describe(os.path.join(path, name))
describe(b'.')
json.dump(tree, sys.stdout)
`;
