#!/bin/sh
# Brings the browser builds of socket.io-client into dist: refresh.sh VERSION
# Afterwards set Version in clientdist.go and the version and hash in NOTICE to what it prints.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$work" && npm pack --silent "socket.io-client@$1" >/dev/null && tar xzf ./*.tgz)
echo "sha512-$(openssl dgst -sha512 -binary "$work"/*.tgz | base64 | tr -d '\n')"
rm -f dist/*
cp "$work"/package/dist/*.js dist/
cp "$work"/package/LICENSE LICENSE
for map in "$work"/package/dist/*.map; do
	gzip -9 -n -c "$map" >"dist/$(basename "$map").gz"
done
