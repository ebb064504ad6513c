#!/usr/bin/env bash
# Builds the DocC site of every target with a catalog, Sources/*/*.docc, from the modules of a build, with warnings as
# errors, and merges it into one archive, .build/docs. Serve it with `python3 -m http.server --directory .build/docs`.
# One kind of warning is no error: a parameter without documentation, whose name says everything.
#
#   Tools/docs.sh [release | debug]
set -euo pipefail
cd "$(dirname "$0")/.."

binaries=$(swift build -c "${1:-release}" --show-bin-path)
target=$(swiftc -print-target-info |
  python3 -c 'import json, sys; print(json.load(sys.stdin)["target"]["unversionedTriple"])')
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

maps=()
for library in CTorch CRowThreads; do
  maps+=(-Xcc "-fmodule-map-file=$PWD/Sources/$library/include/module.modulemap")
done
for library in CPNG CTurboJPEG CCurl; do
  maps+=(-Xcc "-fmodule-map-file=$PWD/Sources/$library/module.modulemap")
done

archives=()
for catalog in Sources/*/*.docc; do
  module=$(basename "$catalog" .docc)
  mkdir "$work/$module"
  swift symbolgraph-extract -module-name "$module" -target "$target" -I "$binaries/Modules" \
    "${maps[@]}" -minimum-access-level public -skip-inherited-docs -output-dir "$work/$module"
  docc convert "$catalog" --additional-symbol-graph-dir "$work/$module" \
    --fallback-display-name "$module" --fallback-bundle-identifier "tempflow.$module" \
    --diagnostics-file "$work/$module.json" --output-path "$work/$module.doccarchive" >"$work/log" ||
    { cat "$work/log" >&2; exit 1; }
  archives+=("$work/$module.doccarchive")
done
python3 - "$work"/*.json <<'PYTHON'
import json, sys

failures = [
    f"{found.get('source')}: {found['summary']}"
    for file in sys.argv[1:] for found in json.load(open(file))["diagnostics"]
    if not found["summary"].endswith("is missing documentation")
]
sys.exit("\n".join(failures) or 0)
PYTHON
rm -rf .build/docs
docc merge "${archives[@]}" --synthesized-landing-page-name TempFlow --output-path .build/docs
echo "the documentation is in .build/docs"
