#!/bin/sh
# Makes sure that the Python named by the argument can make virtual environments.
# As root on Debian it installs what is missing; elsewhere it says in one line what is.
set -eu
python=$1
if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "Installing the Debian package $python-venv" >&2
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq && apt-get install -y -qq "$python-venv" >/dev/null && exit 0
fi
echo "musicrl: $python with venv is missing; run: apt-get install $python-venv" >&2
exit 1
