#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes a file of every block format out of one real model with llama.cpp's quantizer, converts each, compares every
# weight with the file it came from and lets the result answer. Needs about four times the model's size on the disk
# for a moment; leaves nothing behind. Formats in blocks of 64, 128 or 256 appear where a matrix is a multiple as wide:
# Gemma 3 270M has them all. A type that no matrix of the file got fails like one that was converted wrongly.
#   every_format.sh SLUICE LLAMA_QUANTIZE MODEL.gguf [TYPE …]
set -eu
[ $# -ge 3 ] || { echo "usage: $0 SLUICE LLAMA_QUANTIZE MODEL.gguf [TYPE …]" >&2; exit 2; }
sluice=$1 quantize=$2 model=$3
shift 3
[ $# -gt 0 ] || set -- F32 F16 BF16 Q8_0 Q4_0 Q4_1 Q5_0 Q5_1 Q2_K Q3_K_S Q4_K_S Q5_K_S Q6_K IQ4_NL IQ4_XS MXFP4 NVFP4 \
  TQ1_0 TQ2_0 Q1_0 Q2_0
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT INT TERM

# Types that no mix of the quantizer has, or only for narrow rows; it takes them for single matrices.
quantized() {
  case $1 in
    MXFP4 | NVFP4 | Q2_K)
      small=$(echo "$1" | tr '[:upper:]' '[:lower:]')
      "$quantize" --allow-requantize --tensor-type "attn_output=$small" --tensor-type "ffn=$small" "$model" \
        "$folder/m.gguf" Q8_0
      ;;
    *) "$quantize" --allow-requantize "$model" "$folder/m.gguf" "$1" ;;
  esac
}

failed=0
for type in "$@"; do
  if ! quantized "$type" >"$folder/log" 2>&1; then
    echo "$type: the quantizer made no file: $(tail -1 "$folder/log")"
    failed=1
    continue
  fi
  "$sluice" convert "$folder/m.gguf" -o "$folder/m.slm" --quiet
  if report=$("$sluice" inspect "$folder/m.slm" --check "$folder/m.gguf" --json); then
    types=$(echo "$report" | grep -o '"type":"[A-Z0-9_]*","format":"[a-z0-9_]*"' | sort -u |
      sed 's/"type":"\(.*\)","format":"\(.*\)"/\1 as \2/' | paste -sd, - | sed 's/,/, /g')
    answer=$("$sluice" run "$folder/m.slm" -p "The capital of France is" -n 8 --temp 0 --raw --quiet | tr '\n' ' ')
    [ -n "$answer" ] || { failed=1; answer="NO ANSWER"; }
    case ", $types" in
      *", ${type%_S} as "*) echo "$type: every weight equal ($types): $answer" ;;
      *)
        echo "$type: NO MATRIX HAS IT ($types)"
        failed=1
        ;;
    esac
  else
    echo "$type: DIFFERENT: $(echo "$report" | grep -o '"first_difference":.*')"
    failed=1
  fi
  rm -f "$folder/m.gguf" "$folder/m.slm"
done
exit $failed
