#!/usr/bin/env bash
# Installs what the tests need beside Python: a browser, and a C compiler for the recorder of power
# cuts; real servers follow here. With --try, what cannot be
# installed is only named (its tests then skip with that reason, or fail when CI=true).
set -euo pipefail

try=${1:-}
missing=()

# need PACKAGE FOUND…: one of these commands or files, else Debian's PACKAGE.
need() {
  local package=$1 found
  shift
  for found in "$@"; do
    if command -v "$found" >/dev/null || [ -e "$found" ]; then return; fi
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
need gcc cc
need libc6-dev /usr/include/stdio.h
need libfaketime /usr/lib/*/faketime/libfaketimeMT.so.1

if [ ${#missing[@]} -gt 0 ]; then
  echo "not installed: ${missing[*]} (as root on Debian: make servers)" >&2
  [ "$try" = --try ]
fi
