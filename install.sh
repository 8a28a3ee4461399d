#!/bin/sh
# Installs a release of Sophon Keeper with its own Node, after its checksum and its signature were checked:
#   sh install.sh [--version v1.2.3] [--prefix /usr/local] [--checksum-only]
# The signature is GitHub's attestation that the release job of this project made the file; `gh` checks it.
set -eu

repository=sophon-keeper/sophon-keeper
releases=${SOPHON_KEEPER_RELEASES:-https://github.com/$repository/releases}
version=latest prefix=/usr/local signature=yes

fail() {
  echo "refused: $1" >&2
  exit 2
}

while [ $# -gt 0 ]; do
  case $1 in
    --version) [ $# -gt 1 ] || fail "--version has no value: write --version v1.2.3"; version=$2; shift 2 ;;
    --prefix) [ $# -gt 1 ] || fail "--prefix has no value: write --prefix DIRECTORY"; prefix=$2; shift 2 ;;
    --checksum-only) signature=no; shift ;;
    -h | --help) sed -n '2,4s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) fail "unknown word \"$1\": write --version, --prefix or --checksum-only" ;;
  esac
done

case $(uname -s)-$(uname -m) in
  Linux-x86_64) name=sophon-keeper-linux-x64.tar.gz ;;
  Linux-aarch64 | Linux-arm64) name=sophon-keeper-linux-arm64.tar.gz ;;
  *) fail "there is no release for $(uname -s) on $(uname -m): use npx sophon-keeper with Node 24" ;;
esac
for program in tar gzip sha256sum readlink; do
  command -v "$program" >/dev/null || fail "$program is missing: install it"
done
if [ "$signature" = yes ] && ! command -v gh >/dev/null; then
  fail "gh is missing, which checks the signature: install it (https://cli.github.com), or say --checksum-only"
fi
case $prefix in
  /*) ;;
  *) fail "prefix is \"$prefix\": write an absolute path" ;;
esac
lib=$prefix/lib
mkdir -p "$lib" "$prefix/bin" 2>/dev/null && [ -w "$lib" ] && [ -w "$prefix/bin" ] ||
  fail "$prefix cannot be written: run it as root, or give --prefix \$HOME/.local"

work=$(mktemp -d)
fresh=
trap 'rm -rf "$work" ${fresh:+"$fresh"}' EXIT
trap 'exit 130' INT TERM
fetch() {
  if command -v curl >/dev/null; then
    curl --fail --silent --show-error --location --retry 3 --output "$work/$1" "$2"
  else
    wget --quiet --tries=3 --output-document="$work/$1" "$2"
  fi || fail "$2 cannot be fetched: is $version a release?"
}
case $version in
  latest) from=$releases/latest/download ;;
  v[0-9]*) from=$releases/download/$version ;;
  *) fail "version is \"$version\": write latest, or a tag such as v1.2.3" ;;
esac
fetch SHA256SUMS "$from/SHA256SUMS"
fetch "$name" "$from/$name"

# Exactly one line for this file: a list that names it twice says nothing.
[ "$(grep -c "^[0-9a-f]\{64\}  $name\$" "$work/SHA256SUMS")" = 1 ] ||
  fail "SHA256SUMS of that release does not name $name"
grep "^[0-9a-f]\{64\}  $name\$" "$work/SHA256SUMS" > "$work/sum"
(cd "$work" && sha256sum --check --status sum) ||
  fail "$name has another SHA-256 than the release says: nothing was installed"
if [ "$signature" = yes ]; then
  gh attestation verify "$work/$name" --repo "$repository" > "$work/gh" 2>&1 ||
    fail "the signature of $name is not good: nothing was installed ($(tail -n 1 "$work/gh"))"
fi

fresh=$(mktemp -d "$lib/.sophon-keeper.XXXXXX")
tar -xzf "$work/$name" -C "$fresh" --no-same-owner --strip-components=1
chmod 755 "$fresh"
said=$("$fresh/bin/sophon-keeper" --version) || fail "the program does not start on this host: nothing was installed"
target=$lib/sophon-keeper-$said
rm -rf "$target"
mv "$fresh" "$target"
fresh=
# The old version answers until the new one is in its place.
ln -sfn "$target" "$lib/.sophon-keeper.new"
mv -T "$lib/.sophon-keeper.new" "$lib/sophon-keeper"
link() {
  mkdir -p "$(dirname "$prefix/$1")"
  ln -sfn "$lib/sophon-keeper/$2" "$prefix/$1"
}
link bin/sophon-keeper bin/sophon-keeper
link share/man/man1/sophon-keeper.1 man/sophon-keeper.1
link share/bash-completion/completions/sophon-keeper completions/sophon-keeper.bash
link share/zsh/site-functions/_sophon-keeper completions/_sophon-keeper
link share/fish/vendor_completions.d/sophon-keeper.fish completions/sophon-keeper.fish
echo "sophon-keeper $said is in $prefix/bin; next: sophon-keeper doctor --project-directory DIRECTORY"
