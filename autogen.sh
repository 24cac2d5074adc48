#!/bin/sh
# Makes ./configure.  Needs autoconf, automake and pkg-config (for pkg.m4).
set -eu
cd "$(dirname "$0")"
for tool in autoreconf automake pkg-config; do
	command -v "$tool" >/dev/null || {
		echo "autogen.sh: $tool is missing (Debian: apt install autoconf automake pkg-config)" >&2
		exit 1
	}
done
exec autoreconf --install --force --warnings=all
