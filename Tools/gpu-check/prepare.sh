# Runs before the first step of Tools/gpu-check.sh: unpacks the archive, checks that its programs can run here, and
# describes the machine.
# shellcheck shell=bash

prepare() {
  export python=${GPU_CHECK_PYTHON:-python3}
  command -v "$python" >/dev/null || fail "there is no '$python'; a Python with PyTorch is needed"
  mkdir -p "$work/runs" "$results"
  unpack
  export PYTHONPATH="$programs/python${PYTHONPATH:+:$PYTHONPATH}"
  local assignments
  assignments=$("$python" Tools/gpu-check/machine.py) || fail "$python cannot use PyTorch: $assignments"
  eval "$assignments"
  check_versions
  write_wrappers
  check_libraries
  link_repository
  [ -n "${GPU_CHECK_SMALL:-}" ] || [ "$has_cuda" = True ] || fail "PyTorch finds no CUDA device"
  describe
  [ -z "$missing_packages" ] || say "note: steps that need these Python packages will fail: $missing_packages"
  export XDG_CACHE_HOME=$work/cache HF_HUB_OFFLINE=1
  choose_tree
  # The prompts of `sample` and `score`.
  head -n 8 Prompts/shapes/held-out.jsonl >"$work/prompts.jsonl"
}

unpack() {
  [ -e "$archive" ] || fail "there is no ${archive#"$root/"}: make it with 'Tools/gpu-check.sh pack' and copy it here"
  local digest
  digest=$(sha256sum "$archive" | cut -d ' ' -f 1)
  [ "$(cat "$programs/digest" 2>/dev/null)" != "$digest" ] || return 0
  say "unpacking"
  rm -rf "$programs" "$programs.partial"
  # Python includes xz, which the machine may lack.
  "$python" - "$archive" "$programs.partial" <<'EOF' || fail "${archive#"$root/"} cannot be unpacked"
import sys, tarfile

tarfile.open(sys.argv[1]).extractall(sys.argv[2], filter="tar")
EOF
  printf '%s\n' "$digest" >"$programs.partial/digest"
  mv "$programs.partial" "$programs"
}

manifest() { sed -n "s/^$1=//p" "$programs/manifest"; }

is_older() { # version, version
  [ "$1" != "$2" ] && [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]
}

check_versions() {
  local required
  [ "$(uname -m)" = x86_64 ] || fail "the programs are for x86_64, and this machine is $(uname -m)"
  required=$(manifest glibc)
  ! is_older "$glibc" "$required" ||
    fail "the programs need glibc $required, and this machine has $glibc: build on a system as old as this one"
  required=$(manifest torch)
  [ "${torch_version%%+*}" = "$required" ] ||
    fail "this Python has torch $torch_version, and the programs need $required"
}

# Writes two commands with the library path; other programs must not use these libraries, which may be older than
# this machine's.
write_wrappers() {
  library_path=${GPU_CHECK_LIBRARIES:+$GPU_CHECK_LIBRARIES:}$programs/lib:$torch_libraries
  library_path+=${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  local name
  for name in tempflow TempFlowPackageTests.xctest; do
    {
      printf '#!/usr/bin/env bash\n'
      printf 'export LD_LIBRARY_PATH=%q\nexec %q "$@"\n' "$library_path" "$programs/bin/$name"
    } >"$programs/${name%.xctest}"
    chmod +x "$programs/${name%.xctest}"
  done
}

check_libraries() {
  local file missing
  for file in "$programs"/bin/* "$torch/lib/libtorch_cuda.so"; do
    [ -e "$file" ] || fail "there is no $file: this PyTorch is built without CUDA"
    missing=$(LD_LIBRARY_PATH=$library_path ldd "$file" 2>&1 | grep 'not found')
    [ -z "$missing" ] || fail "${file##*/} lacks libraries:"$'\n'"$missing"
  done
}

# Tests read their fixtures under the path at which they were compiled.
link_repository() {
  local built
  built=$(manifest repository)
  [ "$built" -ef "$root" ] && return 0
  if [ ! -e "$built" ]; then
    { mkdir -p "${built%/*}" && ln -sfn "$root" "$built"; } || fail "tests need $built to be a link to $root; make it"
    say "note: made $built a link to $root"
  elif [ -d "$built/Tests/Fixtures" ]; then
    say "note: tests read the fixtures of $built, where they were compiled"
  else
    fail "tests need $built to be this checkout, but it is something else"
  fi
}

# Prints the first lines of a stage and writes the first row of the table.
describe() {
  local text="$gpu; driver $driver; torch $torch_version; CUDA $cuda; wheel $wheel"
  text+="; diffusers $(manifest diffusers); peft $(manifest peft); built from $(manifest commit)"
  [ -z "${GPU_CHECK_SMALL:-}" ] || text+="; a trial with tiny models and no GPU"
  printf '%s\n' "$text" | sed 's/; /\n/g'
  if [ -e "$results/machine.tsv" ] && [ "$(cut -f 3 "$results/machine.tsv")" != "$text" ]; then
    local old
    old=$results-$(date +%Y%m%d-%H%M%S)
    mv "$results" "$old" && mkdir "$results"
    say "note: the results of another machine or build are in $old"
  fi
  printf 'machine\t\t%s\n' "$text" >"$results/machine.tsv"
}

# Sets the folder of recipes and models: the checkout, or in a trial a copy of Benchmarks with a tiny model.
choose_tree() {
  export tree=$root
  [ -n "${GPU_CHECK_SMALL:-}" ] || return 0
  tree=$work/small
  mkdir -p "$tree/Models"
  rm -rf "$tree/Benchmarks"
  cp -r Benchmarks "$tree/"
  ln -sfn "$root/Prompts" "$tree/Prompts"
  ln -sfn "$root/Tools" "$tree/Tools"
  sed -i -e 's/^resolution: .*/resolution: 64/' -e 's/^threads: .*/threads: 2/' -e 's/^  steps: .*/  steps: 4/' \
    -e 's/^  branches: .*/  branches: 2/' "$tree"/Benchmarks/{sd3.5-medium-cuda,flux.1-dev-width,qwen-image-width}.yaml
}
