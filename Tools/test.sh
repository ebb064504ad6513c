#!/usr/bin/env bash
# Runs every test of the built package, one after another, and repeats at the end what failed.
# Arguments go to `swift test`: `Tools/test.sh --filter ResumeTests`.
# Tests hold the processor for seconds at a time; side by side they would make each other's time limits meaningless.
set -uo pipefail
cd "$(dirname "$0")/.."

log=$(mktemp)
trap 'rm -f "$log"' EXIT
swift test -c release --skip-build --no-parallel "$@" 2>&1 | tee "$log"
status=${PIPESTATUS[0]}
if [ "$status" -ne 0 ]; then
  printf '\ntest: these failed:\n'
  grep -E -A 4 'recorded an issue|error: ' "$log" || printf 'the test program ended with %s\n' "$status"
fi
exit "$status"
