#!/bin/sh
# Makes .env from .env.example, with a fresh secret in each line that ends with "=".
set -eu
umask 077
cd "$(dirname "$0")"
if [ -e .env ]; then
  echo '.env is there already; nothing was changed' >&2
  exit 1
fi
while IFS= read -r line; do
  case $line in
    '#'*) echo "$line" ;;
    *=) echo "$line$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')" ;;
    *) echo "$line" ;;
  esac
done <.env.example >.env.new
mv .env.new .env
echo '.env is made; keep a copy of its MASTER_KEY in another place'
