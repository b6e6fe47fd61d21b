#!/bin/sh
# Makes sure that the command named by the argument is there: as root on Debian it is
# installed, elsewhere one line says what is missing.
set -eu
tool=$1
if command -v "$tool" >/dev/null; then
  exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "Installing the Debian package $tool" >&2
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq && apt-get install -y -qq "$tool" >/dev/null && exit 0
fi
echo "musicrl: $tool is missing; run: apt-get install $tool" >&2
exit 1
