#!/usr/bin/env bash
# Installs what the tests need beside Python: the real servers, a browser, and a C compiler for the
# recorder of power cuts. With --try, what cannot be installed is only named (its tests then skip
# with that reason, or fail when CI=true).
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/opt/homebrew/sbin

try=${1:-}
policy=/usr/sbin/policy-rc.d
mark='# Until tools/servers.sh has installed its servers: the tests start them, nobody else.'
packages=()
missing=()

# need PACKAGE FOUND…: one of these commands or files, else Debian's PACKAGE.
need() {
  local package=$1 found
  shift
  for found in "$@"; do
    if command -v "$found" >/dev/null || [ -e "$found" ]; then return; fi
  done
  packages+=("$package")
}

can_install() { command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; }

install() {
  DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq --yes \
    --no-install-recommends install "$@" </dev/null >/dev/null
}

install_all() {
  echo "installing ${packages[*]}"
  start_no_services
  apt-get -qq update </dev/null || true
  if install "${packages[@]}"; then return; fi
  local package # one that is not to be had keeps no other away
  for package in "${packages[@]}"; do
    install "$package" || missing+=("$package")
  done
}

# A policy of the machine's own stays as it is; one that a killed run left behind is ours.
start_no_services() {
  if [ -e "$policy" ] && ! grep -qF "$mark" "$policy"; then return; fi
  trap 'rm -f "$policy"' EXIT
  trap 'exit 130' INT TERM
  printf '#!/bin/sh\n%s\nexit 101\n' "$mark" >"$policy"
  chmod +x "$policy"
}

fetch_jars() {
  local python=.venv/bin/python
  [ -x "$python" ] || python=${PYTHON:-python3}
  "$python" tools/jars.py
}

need chromium-headless-shell chromium-headless-shell chromium chromium-browser google-chrome
need gcc cc
need libc6-dev /usr/include/stdio.h
need libfaketime /usr/lib/*/faketime/libfaketimeMT.so.1
need postgresql initdb /usr/lib/postgresql/*/bin/initdb /opt/homebrew/opt/postgresql*/bin/initdb
need redis-server redis-server
need rabbitmq-server rabbitmq-server
need nats-server nats-server
need mariadb-server mariadbd
need prometheus prometheus
need procps ps
need openjdk-17-jre-headless java

if [ ${#packages[@]} -gt 0 ]; then
  if can_install; then install_all; else missing=("${packages[@]}"); fi
fi
if command -v java >/dev/null && ! fetch_jars; then
  missing+=("the jars of Kafka and Cassandra")
fi

if [ ${#missing[@]} -gt 0 ]; then
  echo "not installed: ${missing[*]} (as root on Debian: make servers)" >&2
  [ "$try" = --try ]
fi
