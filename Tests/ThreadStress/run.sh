#!/usr/bin/env bash
# Builds the threads of Sources/CRowThreads and Sources/CTorch with ThreadSanitizer, without libtorch, and runs them for some seconds.
# Usage: run.sh [FOLDER FOR THE PROGRAM]
# After a race, a wrong result, a crash or a deadlock the report is on standard error and the status is not 0.
# Needs g++: Swift's own compiler comes without the sanitizer's library.
set -euo pipefail
cd "$(dirname "$0")/../.."

folder=${1:-}
if [ -z "$folder" ]; then
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
fi

readonly sources=(Sources/CRowThreads/row_threads.cpp Tests/ThreadStress/operators.cpp Tests/ThreadStress/stress.cpp)
g++ -std=c++20 -O1 -g -fsanitize=thread -pthread -fno-pie -no-pie \
  -ISources/CRowThreads -ISources/CRowThreads/include -ISources/CTorch/include \
  -ITests/ThreadStress "${sources[@]}" -o "$folder/stress"

# GCC 12's sanitizer does not start at some addresses, which a system with vm.mmap_rnd_bits=32 draws most of the time:
# setarch turns that off. Where a container forbids it, the program is started until the addresses suit.
command=("$folder/stress")
if setarch "$(uname -m)" -R true 2>/dev/null; then command=(setarch "$(uname -m)" -R "${command[@]}"); fi
# It ends by itself, unless threads wait for each other.
if command -v timeout >/dev/null; then command=(timeout 60 "${command[@]}"); fi
for ((attempt = 0; attempt < 200; ++attempt)); do
  status=0
  TSAN_OPTIONS=halt_on_error=1 "${command[@]}" 2>"$folder/report" || status=$?
  grep -q 'unexpected memory mapping' "$folder/report" || break
done
cat "$folder/report" >&2
case $status in
  0) ;;
  124) printf 'stress: threads wait for each other: no end within 60 seconds\n' >&2 ;;
  *) printf 'stress: ended with status %s\n' "$status" >&2 ;;
esac
exit "$status"
