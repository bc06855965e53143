#!/bin/bash
# get-asterisk.sh [FOLDER]: a runnable Asterisk 22 in FOLDER, for the tests and the demo; FOLDER/run/asterisk starts it.
#
# Debian 12 has no Asterisk. This takes Debian's own packages of a later release (SUITE, forky by default), and every
# library that they need, the C library included, and unpacks them: nothing is installed on this machine, no script of
# a package runs, no root is needed to run it. apt fetches and verifies, with a state of its own inside FOLDER, from the
# mirror that this machine's own sources name. Some 66 MB to fetch, 180 MB in the folder.
#
# FOLDER is $MAILGATE_ASTERISK, or mailgate/asterisk in the user's cache, where none is given. A finished FOLDER is left
# as it is; REFRESH=1 looks for newer packages. Two runs at once wait for one another.
# Needs bash, apt, dpkg-deb and Debian's archive keyring, which every Debian has.
set -euo pipefail

folder=${1:-${MAILGATE_ASTERISK:-${XDG_CACHE_HOME:-$HOME/.cache}/mailgate/asterisk}}
suite=${SUITE:-forky}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
packages=(asterisk asterisk-core-sounds-en-gsm)

# What is only there to configure packages, or serves modules that are never loaded.
unneeded='^(adduser|passwd|login\.defs|base-passwd|debconf|dirmngr|gnupg.*|gpg.*|pinentry-.*|perl-modules-.*)$'
unneeded+='|^(libperl5.*|libicu.*-data|libpam.*|libsemanage.*|pci\.ids|libasound2-data)$'

die() { printf 'get-asterisk.sh: %s\n' "$*" >&2; exit 1; }

runs() { [ -x "$folder/run/asterisk" ] && "$folder/run/asterisk" -V 2> /dev/null; }

mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
state=$folder/.apt
if [ -s "$state/unpacked" ] && [ -z "${REFRESH:-}" ] && runs; then exit 0; fi

for tool in apt-get dpkg-deb dpkg flock; do
    command -v "$tool" > /dev/null || die "$tool is missing: this works on Debian and its kin only"
done
[ -r "$keyring" ] || die "$keyring is missing: install debian-archive-keyring"
mkdir -p "$state"/lists/partial "$state"/cache/archives/partial "$state"/empty "$state"/debs
exec 9> "$state/lock"
flock 9
if [ -s "$state/unpacked" ] && [ -z "${REFRESH:-}" ] && runs; then exit 0; fi

# The Debian mirror of this machine: from apt's lists, or from its sources where it has no lists yet.
mirror=$(apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' |
    awk '$1 == "Debian" { print $2; exit }')
if [ -z "$mirror" ]; then
    mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.{list,sources} 2> /dev/null |
        sed -nE 's/^(deb( \[[^]]*\])?|URIs:) +([a-z+]+:[^ ]*\/debian)\/?( .*)?$/\3/p' | head -n 1)
fi
[ -n "$mirror" ] || die "apt's sources name no Debian mirror"
arch=$(dpkg --print-architecture)
echo "deb [arch=$arch signed-by=$keyring] $mirror $suite main" > "$state/sources.list"

# An apt that knows nothing of this machine's packages, sources and preferences.
options=(
    -qq
    "-oDir::Etc::sourcelist=$state/sources.list" -oDir::Etc::sourceparts=-
    "-oDir::Etc::preferencesparts=$state/empty" -oDir::Etc::preferences=/dev/null
    "-oDir::State=$state" "-oDir::State::Lists=$state/lists" "-oDir::Cache=$state/cache"
    -oDir::State::status=/dev/null
    -oAPT::Get::List-Cleanup=0 -oAPT::Install-Recommends=0 -oAPT::Sandbox::User=root
    -oAcquire::Languages=none -oDebug::NoLocking=1
    -oDPkg::Post-Invoke= -oAPT::Update::Post-Invoke=
)
echo "reading the package lists of Debian $suite"
apt-get "${options[@]}" update

# Every package that an installation from nothing would bring, as name=version.
apt-get "${options[@]}" -s install "${packages[@]}" |
    awk '$1 == "Inst" { gsub(/[()]/, "", $3); print $2 "=" $3 }' |
    awk -F= -v pattern="$unneeded" '$1 !~ pattern' | sort > "$state/wanted"
grep -q '^asterisk=' "$state/wanted" || die "Debian $suite has no asterisk"
if cmp -s "$state/wanted" "$state/unpacked" && runs; then exit 0; fi

echo "fetching $(wc -l < "$state/wanted") packages"
(cd "$state/debs" && xargs apt-get "${options[@]}" download < "$state/wanted")

echo "unpacking them"
rm -f "$state/unpacked"
mkdir -p "$folder"/usr/{bin,sbin,lib,lib64} "$folder"/{etc,tmp,proc,dev,run,var}
for name in bin sbin lib lib64; do # one tree under usr, as Debian has it
    [ -e "$folder/$name" ] || ln -s "usr/$name" "$folder/$name"
done
for deb in "$state"/debs/*.deb; do
    dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$folder" --keep-directory-symlink
done
rm -rf "$state/debs" "$state"/cache/*.bin "$folder"/usr/share/{doc,man,locale,lintian,bug,zoneinfo/right}
# What the sound package's own script would do.
(
    cd "$folder/usr/share/asterisk/sounds"
    for voice in en_US*; do [ -e en ] || ln -s "$voice" en; done
)

# Its own dynamic loader and libraries, whatever this machine has.
loader=$(find "$folder/usr/lib64/" "$folder/usr/lib/" -maxdepth 2 -name 'ld-linux*.so.*' | head -n 1)
[ -n "$loader" ] || die "the packages hold no dynamic loader"
libraries=$(dirname "$(find "$folder/usr/lib" -name 'libc.so.6' | head -n 1)")
cat > "$folder/run/asterisk" <<WRAPPER
#!/bin/sh
# Asterisk on its own C library. Its asterisk.conf must name every directory, astmoddir above all.
exec "$loader" --argv0 asterisk --library-path "$libraries:$folder/usr/lib" "$folder/usr/sbin/asterisk" "\$@"
WRAPPER
chmod +x "$folder/run/asterisk"
runs || die "Asterisk was unpacked but does not run: $("$folder/run/asterisk" -V 2>&1 || true)"
cp "$state/wanted" "$state/unpacked"
