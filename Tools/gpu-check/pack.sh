# Writes the archive of Tools/gpu-check.sh: programs, their libraries beside PyTorch, diffusers and peft.
# shellcheck shell=bash
set -euo pipefail

readonly limit=$((40 << 20)) built=.build/release tests=TempFlowPackageTests.xctest
say() { printf 'gpu-check: %s\n' "$1"; }
fail() {
  printf 'gpu-check: error: %s\n' "$1" >&2
  exit 2
}

for program in tempflow "$tests"; do
  [ -x "$built/$program" ] || fail "there is no $built/$program: run 'swift build -c release --build-tests'"
done
for program in strip readelf xz python3; do
  command -v "$program" >/dev/null || fail "there is no '$program' on the PATH"
done
newer=$(find Package.swift Sources Tests -name '*.swift' -newer "$built/$tests" -print -quit)
[ -z "$newer" ] || say "note: $newer is newer than $built/$tests"

# Whether a shared library comes with glibc or PyTorch; the others are packed.
is_there() {
  case $1 in
    */torch/lib/* | */nvidia/*) return 0 ;;
  esac
  case ${1##*/} in
    ld-linux* | libc.so.* | libm.so.* | libdl.so.* | libpthread.so.* | librt.so.* | libresolv.so.* | libutil.so.*) ;;
    libstdc++.so.* | libgcc_s.so.* | libgomp.so.*) ;;
    *) return 1 ;;
  esac
}

mkdir -p "$base/wheels"
folder=$base/packing
rm -rf "$folder" "$archive"
mkdir -p "$folder"/{bin,lib,python}
for program in tempflow "$tests"; do
  strip -s -o "$folder/bin/$program" "$built/$program"
  found=$(ldd "$built/$program")
  ! grep 'not found' <<<"$found" || fail "$built/$program lacks libraries on this machine"
  while read -r library; do
    is_there "$library" || strip --strip-unneeded -o "$folder/lib/${library##*/}" "$library"
  done < <(sed -n 's/.* => \(\/[^ ]*\) (.*/\1/p' <<<"$found")
done

# At the versions of the benchmark's Python program.
for package in diffusers peft; do
  version=$(sed -n "s/^$package==//p" Benchmarks/requirements.txt)
  if ! compgen -G "$base/wheels/$package-$version-*.whl" >/dev/null; then
    say "fetching $package $version"
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
      --dest "$base/wheels" "$package==$version" ||
      fail "pip could not fetch $package $version (is the network set up?)"
  fi
  # Unpacked, they compress together.
  python3 -m zipfile -e "$base/wheels/$package-$version"-*.whl "$folder/python"
  packages+=("$package=$version")
done

versions=$(readelf -V -W "$folder"/bin/* "$folder"/lib/* 2>/dev/null | grep -o 'Name: [A-Z]*_[0-9.]*')
newest() { sed -n "s/^Name: $1_//p" <<<"$versions" | sort -uV | tail -n 1; }
{
  printf 'repository=%s\n' "$root"
  printf 'commit=%s\n' "$(git describe --always --dirty 2>/dev/null || echo unknown)"
  printf 'torch=%s\n' "$(sed -n 's/^readonly torch_version=//p' Tools/setup.sh)"
  printf 'glibc=%s\nglibcxx=%s\n' "$(newest GLIBC)" "$(newest GLIBCXX)"
  printf '%s\n' "${packages[@]}"
} >"$folder/manifest"
cat "$folder/manifest"

say "compressing $(du -sm "$folder" | cut -f 1) MB"
# The two programs have most of their code in common, at other addresses.
tar -C "$folder" --owner=0 --group=0 -cf - . | xz --x86 --lzma2=preset=9e,dict=192MiB >"$archive.partial"
rm -rf "$folder"
size=$(stat -c %s "$archive.partial")
mebibytes=$(awk "BEGIN { printf \"%.1f\", $size / 1048576 }")
if [ "$size" -gt "$limit" ]; then
  rm "$archive.partial"
  fail "the archive has $mebibytes MiB, which is above the limit of $((limit >> 20)) MiB"
fi
mv "$archive.partial" "$archive"
say "wrote ${archive#"$root/"}, $mebibytes MiB"
