#!/bin/sh
# gather TARGET PACKAGE…: copies what each compiled package needs at run time into TARGET.
set -eu
target=$1
shift
for package in "$@"; do
  mkdir -p "$target/$package"
  cp -R "$package/dist" "$target/$package/"
done
find "$target" -type f \( -name '*.test.*' -o -name '*.d.ts' -o -name '*.map' -o -name '*.tsbuildinfo' \) -delete
