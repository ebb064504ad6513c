#!/usr/bin/env bash
# Installs what a build of this checkout needs: system packages, and libtorch in .libtorch.
# A repeated run keeps what is installed. LIBTORCH=DIR uses an installed PyTorch (its `torch` folder)
# instead of downloading one. CUDA=1 fetches CUDA's libraries on a machine without a GPU as well, such as
# the login node of a cluster.
set -euo pipefail

readonly torch_version=2.11.0
# Libraries that libtorch_cpu.so of this wheel links to, on machines without a GPU as well.
readonly cuda_parts=(nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85)
readonly index_hint="is the network, or PIP_INDEX_URL, set up?"

cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$1"; }
fail() {
  printf 'setup: error: %s\n' "$1" >&2
  exit 1
}

version_of() { # the version in the headers of a torch folder
  sed -nE 's/^#define TORCH_VERSION_(MAJOR|MINOR|PATCH) +([0-9]+).*/\2/p' \
    "$1/include/torch/headeronly/version.h" 2>/dev/null | paste -sd. - || true
}

check_torch() { # folder, remedy
  local found
  found=$(version_of "$1")
  [ -n "$found" ] || fail "$1 is no PyTorch installation: it has no torch headers. $2"
  [ "$found" = "$torch_version" ] || fail "$1 holds torch $found, and this release needs $torch_version. $2"
  [ -e "$1/lib/libtorch_cpu.so" ] || [ -e "$1/lib/libtorch_cpu.dylib" ] ||
    fail "$1 holds no lib/libtorch_cpu. $2"
}

check_swift() {
  command -v swift >/dev/null || fail "there is no 'swift' on the PATH: install Swift 6.3 from swift.org"
  local version
  version=$(swift --version 2>/dev/null | sed -nE 's/.*Swift version ([0-9]+\.[0-9]+).*/\1/p' | head -n 1)
  case "$version" in
    6.[3-9] | 6.[1-9][0-9] | [7-9].* | [1-9][0-9].*) ;;
    *) fail "Swift ${version:-of an unknown version} is installed, and 6.3 or later is needed" ;;
  esac
}

# The missing Debian packages, found by the files that they provide.
missing_packages() {
  command -v pkg-config >/dev/null || echo pkg-config
  { command -v pkg-config >/dev/null && pkg-config --exists libpng; } || echo libpng-dev
  { command -v pkg-config >/dev/null && pkg-config --exists libturbojpeg; } || echo libturbojpeg0-dev
  command -v tesseract >/dev/null || echo tesseract-ocr # for the reward `ocr`
  { command -v pkg-config >/dev/null && pkg-config --exists libcurl; } || echo libcurl4-openssl-dev
  # g++ also builds Tests/ThreadStress: Swift's clang comes without ThreadSanitizer.
  { command -v g++ >/dev/null && echo '#include <string>' | clang++ -fsyntax-only -x c++ - 2>/dev/null; } || echo g++
  { command -v g++ >/dev/null && [ "$(g++ -print-file-name=libtsan.so)" = libtsan.so ] && echo libtsan2; } || true
  command -v setarch >/dev/null || echo util-linux # starts ThreadSanitizer without address randomization
  [ -n "${LIBTORCH:-}" ] || [ -d .libtorch/torch ] || python3 -m pip --version >/dev/null 2>&1 || echo python3-pip
}

install_packages() {
  local missing
  missing=$(missing_packages | sort -u | paste -sd' ' -)
  [ -n "$missing" ] || return 0
  command -v apt-get >/dev/null ||
    fail "missing: $missing (Debian's names). Install them with this system's package manager, then run again"
  [ "$(id -u)" = 0 ] || fail "missing: $missing. Run 'sudo apt-get install $missing', then run this again"
  say "installing $missing"
  local log
  log=$(mktemp)
  # shellcheck disable=SC2086
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $missing; } >"$log" 2>&1 ||
    fail "apt-get could not install $missing: $(grep -m 1 '^E:' "$log" || tail -n 1 "$log")"
  rm -f "$log"
}

wants_cuda() { [ "${CUDA:-}" = 1 ] || has_gpu; }
has_cuda() { compgen -G '.libtorch/nvidia/*/lib/libcublas.so*' >/dev/null; }
has_gpu() { [ -e /dev/nvidiactl ] || { command -v nvidia-smi >/dev/null && nvidia-smi -L >/dev/null 2>&1; }; }

install_torch() {
  if [ -n "${LIBTORCH:-}" ]; then
    check_torch "$LIBTORCH" "Point LIBTORCH at the 'torch' folder of a PyTorch $torch_version."
    say "using PyTorch $torch_version in $LIBTORCH"
    return 0
  fi
  if [ -d .libtorch ]; then
    check_torch .libtorch/torch "Remove .libtorch and run this again."
    if ! wants_cuda || has_cuda; then return 0; fi
    if [ "${CUDA:-}" != 1 ]; then
      say "note: .libtorch has no CUDA libraries, so the GPU cannot be used; CUDA=1 fetches them"
      return 0
    fi
  fi
  command -v python3 >/dev/null || fail "there is no python3, which fetches libtorch: run 'apt-get install python3 python3-pip'"
  python3 -m pip --version >/dev/null 2>&1 || fail "python3 has no pip, which fetches libtorch: run 'apt-get install python3-pip'"
  # Installed beside the final folder and renamed when complete, so that .libtorch is never partial.
  local partial=.libtorch-partial log
  rm -rf "$partial"
  log=$(mktemp)
  local arguments=(--no-deps "torch==$torch_version" "${cuda_parts[@]}") size="0.6 GB"
  if wants_cuda; then
    arguments=("torch==$torch_version")
    size="2.7 GB"
  fi
  say "fetching libtorch: pip install ${arguments[*]} ($size)"
  python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore \
    --target "$partial" "${arguments[@]}" >"$log" 2>&1 ||
    fail "pip could not fetch torch $torch_version ($index_hint): $(grep -m 1 -i error "$log" || tail -n 1 "$log")"
  check_torch "$partial/torch" "pip fetched another version than the requested one."
  rm -rf .libtorch
  mv "$partial" .libtorch
  rm -f "$log"
}

check_swift
install_packages
install_torch
say "ready"
