#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The program synthetic-model: options change the shape, wrong ones are usage errors that write nothing.
set -euo pipefail
program=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

exits() { # exits STATUS WORD-ON-STDERR ARGUMENTS…
  local want=$1 word=$2 got=0
  shift 2
  "$program" "$@" 2> err || got=$?
  [[ $got == "$want" ]] && grep -q -- "$word" err || { echo "exit $got: $*"; cat err; exit 1; }
}
exits 2 "OUT.slm" tiny
exits 2 "preset" huge -o x.slm
exits 2 "unknown option" tiny --nonsense 1 -o x.slm
exits 2 "needs a value" tiny -o
exits 2 "whole number" tiny --d-ff many -o x.slm
exits 2 "KV heads" tiny --n-kv-heads 3 -o x.slm
exits 2 "format" tiny --format q9_9 -o x.slm
exits 1 "nowhere" tiny -o nowhere/x.slm
[[ ! -e x.slm ]]
exits 0 "q8_0" tiny --format q8_0 --n-layers 1 --tied 1 --seed 7 -o small.slm
exits 0 "q8_0" tiny --format q8_0 --n-layers 2 -o large.slm
[[ $(stat -c %s small.slm) -lt $(stat -c %s large.slm) ]]
"$program" --help | grep -q 70b
