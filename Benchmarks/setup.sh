#!/usr/bin/env bash
# Makes .bench, the Python environment of the peer. Safe to run again.
set -euo pipefail

cd "$(dirname "$0")/.."

say() { printf 'bench setup: %s\n' "$1"; }
fail() {
  printf 'bench setup: error: %s\n' "$1" >&2
  exit 1
}

readonly wanted=Benchmarks/requirements.txt installed=.bench/requirements.txt
if cmp -s "$wanted" "$installed"; then
  say "ready"
  exit 0
fi
command -v python3 >/dev/null || fail "there is no python3: run 'apt-get install python3 python3-venv'"
python3 -m venv .bench || fail "python3 cannot make an environment: run 'apt-get install python3-venv'"
say "fetching the packages of $wanted (5 GB: PyTorch brings CUDA's libraries)"
.bench/bin/pip install --quiet --disable-pip-version-check -r "$wanted" ||
  fail "pip could not install $wanted (is the network, or PIP_INDEX_URL, set up?)"
cp "$wanted" "$installed"
say "ready"
