#!/usr/bin/env bash
# Installs what the tests need beside Python: for now a browser. With --try, what cannot be
# installed is only named (its tests then skip with that reason, or fail when CI=true).
set -euo pipefail

try=${1:-}
missing=()

# need PACKAGE COMMAND…: one of the commands, else Debian's PACKAGE.
need() {
  local package=$1 command
  shift
  for command in "$@"; do
    command -v "$command" >/dev/null && return
  done
  if ! can_install || ! install "$package"; then
    missing+=("$package")
  fi
}

can_install() { command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; }

install() {
  echo "installing $1"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq </dev/null && apt-get install -qq --yes --no-install-recommends "$1" </dev/null >/dev/null
}

need chromium chromium chromium-browser google-chrome

if [ ${#missing[@]} -gt 0 ]; then
  echo "not installed: ${missing[*]} (as root on Debian: make servers)" >&2
  [ "$try" = --try ]
fi
