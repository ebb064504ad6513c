#!/usr/bin/env bash
# Builds the DocC site of the public libraries from the modules of a build, with warnings as errors, and merges it into one
# archive, .build/docs. Serve it with `python3 -m http.server --directory .build/docs`.
#
#   Tools/docs.sh [release | debug]
set -euo pipefail
cd "$(dirname "$0")/.."

modules=(Torch FlowMatching TempFlow DiffusionPipelines)
binaries=$(swift build -c "${1:-release}" --show-bin-path)
target=$(swiftc -print-target-info |
  python3 -c 'import json, sys; print(json.load(sys.stdin)["target"]["unversionedTriple"])')
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

maps=(-Xcc "-fmodule-map-file=$binaries/CTorch.build/module.modulemap")
for library in CPNG CTurboJPEG CCurl; do
  maps+=(-Xcc "-fmodule-map-file=$PWD/Sources/$library/module.modulemap")
done

archives=()
for module in "${modules[@]}"; do
  mkdir "$work/$module"
  swift symbolgraph-extract -module-name "$module" -target "$target" -I "$binaries/Modules" \
    "${maps[@]}" -minimum-access-level public -skip-inherited-docs -output-dir "$work/$module"
  docc convert "Sources/$module/$module.docc" --additional-symbol-graph-dir "$work/$module" \
    --fallback-display-name "$module" --fallback-bundle-identifier "tempflow.$module" \
    --warnings-as-errors --output-path "$work/$module.doccarchive"
  archives+=("$work/$module.doccarchive")
done
rm -rf .build/docs
docc merge "${archives[@]}" --synthesized-landing-page-name TempFlow --output-path .build/docs
echo "the documentation is in .build/docs"
