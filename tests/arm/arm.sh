#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# arm.sh SOURCE FOLDER GENERATOR …: what the arm_… tests do; FOLDER is the build folder of the cross build.
#   build TARGET…                configures and builds
#   run CPU PROGRAM ARGUMENT…    runs a program of the folder on an emulated CPU
#   compare SLUICE WRITE_TOY_GGUF     the program of the folder against the native one
# Exit code 77 means skipped, and the output says loudly why.
set -euo pipefail
source=$1 folder=$2 generator=$3 action=$4
shift 4

skip() {
  echo "==== SKIPPED: $* ===="
  exit 77
}
fail() {
  echo "FAILED: $*"
  exit 1
}

[[ $(uname -m) != aarch64 ]] || skip "this machine is ARM: the tests of the backends run these paths here"
for tool in aarch64-linux-gnu-g++:g++-aarch64-linux-gnu qemu-aarch64:qemu-user; do
  command -v "${tool%:*}" >/dev/null || skip "no ${tool%:*} (package ${tool#*:})"
done

build() {
  local jobs
  jobs=$(getconf _NPROCESSORS_ONLN)
  # What the surroundings say about compilers and flags is meant for the host.
  unset CC CXX CFLAGS CXXFLAGS LDFLAGS
  cmake -S "$source" -B "$folder" --toolchain "$source/cmake/aarch64-linux-gnu.cmake" -G "$generator" \
    -DCMAKE_BUILD_TYPE=Release -DSLUICE_DEVELOPER=ON >"$folder.log" || { cat "$folder.log" && exit 1; }
  cmake --build "$folder" --parallel $((jobs < 4 ? jobs : 4)) --target "$@"
}

emulate() { # emulate CPU PROGRAM ARGUMENT…
  local cpu=$1 program=$2
  shift 2
  qemu-aarch64 -L /usr/aarch64-linux-gnu -cpu "$cpu" "$folder/$program" "$@"
}

compare() {
  local native=$1 write_toy_gguf=$2 work architecture tokens line
  work=$(mktemp -d)
  # shellcheck disable=SC2064  # the folder's name is known now
  trap "rm -rf '$work'" EXIT
  export HOME=$work
  for architecture in llama qwen2 gemma3; do
    "$write_toy_gguf" $architecture "$work/toy.gguf"
    rm -f "$work"/*.slm
    "$native" convert "$work/toy.gguf" -o "$work/native.slm" 2>"$work/log" || fail "native conversion: $(cat "$work/log")"
    emulate max sluice convert "$work/toy.gguf" -o "$work/arm.slm" 2>"$work/log" || fail "conversion: $(cat "$work/log")"
    cmp "$work/native.slm" "$work/arm.slm" || fail "$architecture: the conversion gives other bytes"

    answer=(run "$work/arm.slm" -p "Grüße, 你好 world 123" --temp 1 --seed 7 -n 24 --json --threads 2)
    tokens=$("$native" "${answer[@]}" 2>&1 | grep -o '"\(prompt_\)\?tokens": *\[[0-9, ]\+\]') || fail "no native answer"
    for where in max:scalar max:neon max:dotprod max:i8mm cortex-a53:neon; do
      line=$(SLUICE_ISA=${where#*:} emulate "${where%:*}" sluice "${answer[@]}" 2>&1) || fail "$where: $line"
      [[ $(grep -o '"\(prompt_\)\?tokens": *\[[0-9, ]\+\]' <<<"$line") == "$tokens" ]] ||
        fail "$architecture on $where answers $line, native $tokens"
      echo "$architecture on $where: the native tokens"
    done
  done

  local code=0
  SLUICE_ISA=dotprod emulate cortex-a53 sluice "${answer[@]}" >"$work/out" 2>"$work/log" || code=$?
  [[ $code == 5 && ! -s $work/out ]] || fail "dotprod on a CPU without it ends with $code"
  grep -q 'dotprod.*available: scalar, neon' "$work/log" || fail "dotprod on a CPU without it: $(cat "$work/log")"
}

case $action in
  build) build "$@" ;;
  run) emulate "$@" ;;
  compare) compare "$@" ;;
  *) fail "unknown action $action" ;;
esac
