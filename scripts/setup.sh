# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What scripts/chat and scripts/test share: the packages a machine needs, progress lines, locks and the build.
# Sourced, never run. Everything here may be repeated: what is already there is left alone, without the network.
# shellcheck disable=SC2034  # the names below are used by the scripts that source this file

set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
export HOME=${HOME:-~}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/sluice

# The packages, in one place; the names are the same on Debian 12, 13 and Ubuntu 22.04 to 26.04.
build_packages=(g++ cmake ninja-build flatbuffers-compiler libflatbuffers-dev libxxhash-dev nlohmann-json3-dev
  libedit-dev pkg-config)
fetch_packages=(python3 python3-pip)
test_packages=(catch2 libpcre2-dev)
arm_packages=(g++-aarch64-linux-gnu qemu-user) # where ARM code is tested by cross-compiling and emulation

say() { printf 'sluice: %s\n' "$*" >&2; }
fail() {
  say "$@"
  exit 1
}

# What a script writes, it writes under a temporary name and removes on exit; bash runs the EXIT trap after these.
trap 'exit 129' HUP
trap 'printf "\nsluice: stopped; run the same command again to go on\n" >&2; exit 130' INT
trap 'exit 143' TERM

# step TEXT COMMAND…: one line with the time it took; the output is kept for the day the command fails.
step() {
  local text=$1 log=$root/build/last-step.log begin=$SECONDS
  shift
  mkdir -p "$root/build" || fail "cannot write to $root"
  printf 'sluice: %s … ' "$text" >&2
  if ("$@") >"$log" 2>&1 </dev/null; then # a subshell, so that our own traps speak to the real stderr
    printf '%d s\n' $((SECONDS - begin)) >&2
    return 0
  fi
  printf 'failed after %d s. The end of its output (all of it: build/last-step.log):\n' $((SECONDS - begin)) >&2
  tail -n 25 "$log" >&2
  return 1
}

# hold LOCKFILE: waits until no other script holds it; it is free again when this one ends.
hold() {
  mkdir -p "$(dirname "$1")" || fail "cannot write to $(dirname "$1")"
  command -v flock >/dev/null || return 0
  exec 9>"$1"
  flock -n 9 && return
  say "waiting for another run to finish ($1)"
  flock 9
}

release() { exec 9>&-; }

# True where the packages above are known to be the right ones.
known_system() {
  [[ -r /etc/os-release ]] && command -v apt-get >/dev/null && command -v dpkg-query >/dev/null || return 1
  local name version
  name=$(. /etc/os-release && echo "${ID:-}")
  version=$(. /etc/os-release && echo "${VERSION_ID:-999}") # Debian testing has no number
  case $name in
    debian) ((${version%%.*} >= 12)) ;;
    ubuntu) ((${version%%.*} >= 22)) ;;
    *) return 1 ;;
  esac
}

missing_packages() { # missing_packages PACKAGE… prints those that are not installed
  local installed package
  installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null || true)
  for package; do
    grep -qxF "$package installed" <<<"$installed" || printf '%s\n' "$package"
  done
}

# Installing is shielded from Ctrl-C, so that no package is left half configured; the script stops right after it.
install_packages() { # install_packages SUDO PACKAGE…
  local sudo=$1
  shift
  (
    trap '' INT HUP TERM
    quietly=(setsid --wait env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300
      -o Dpkg::Use-Pty=0)
    $sudo dpkg --configure -a
    $sudo "${quietly[@]}" update || echo "the package lists could not all be refreshed"
    $sudo "${quietly[@]}" install --yes --no-install-recommends "$@"
  )
}

need_packages() { # need_packages PACKAGE… installs what is missing, or says what to install and stops
  [[ ${SLUICE_SETUP:-} != skip ]] || return 0
  local line="apt-get install -y --no-install-recommends" missing sudo=
  if ! known_system; then
    say "this system is not Debian 12 or later, nor Ubuntu 22.04 or later. On those, the packages needed are:"
    printf '\n    %s %s\n\n' "$line" "$*" >&2
    fail "install what matches them here, then run again with SLUICE_SETUP=skip in the environment."
  fi
  missing=$(missing_packages "$@" | tr '\n' ' ')
  missing=${missing% }
  [[ -n $missing ]] || return 0
  if ((EUID != 0)); then
    sudo=sudo
    if ! command -v sudo >/dev/null || { ! sudo -n true 2>/dev/null && ! ask_for_sudo "$missing"; }; then
      say "packages are missing, and installing them needs root. As root, run:"
      printf '\n    %s %s\n\n' "$line" "$missing" >&2
      fail "then run this command again."
    fi
  fi
  # shellcheck disable=SC2086  # a list of package names
  step "installing $missing" install_packages "$sudo" $missing ||
    fail "the packages could not be installed; is there a network? To do it by hand, as root: $line $missing"
}

ask_for_sudo() { # only where there is someone to ask
  [[ -t 0 && -t 2 ]] || return 1
  say "these packages are missing: $1"
  sudo -p 'sluice: password of %u to install them: ' -v
}

# A compiler takes up to 1 GB: no more of them than memory allows.
build_jobs() {
  local jobs kb
  jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
  kb=$(awk '/^MemAvailable:/ {print $2}' /proc/meminfo 2>/dev/null || true)
  [[ -z $kb ]] || ((jobs <= kb / 1000000 + 1)) || jobs=$((kb / 1000000 + 1))
  echo "$jobs"
}

build() { # build PRESET TARGET…: the preset's folder is build/PRESET
  local preset=$1 folder=$root/build/$1 place begin=$SECONDS
  shift
  cd "$root"
  place=$(sed -n 's/^CMAKE_HOME_DIRECTORY:INTERNAL=//p' "$folder/CMakeCache.txt" 2>/dev/null || true)
  if [[ -n $place && $place != "$root" ]]; then # the clone was moved or copied: CMake would refuse
    rm -rf "$folder"
  fi
  if [[ ! -f $folder/build.ninja ]]; then
    step "configuring ($preset)" cmake --preset "$preset" || fail "CMake could not configure the build; see above"
  fi
  [[ $(ninja -C "$folder" -n "$@" 2>/dev/null) != *"no work to do"* ]] || return 0
  local command=(ninja -C "$folder" -j "$(build_jobs)" "$@")
  if [[ -t 2 ]]; then
    say "building ($preset)"
    NINJA_STATUS='  [%f/%t] ' "${command[@]}" >&2 </dev/null || fail "the build failed; see above"
    say "built in $((SECONDS - begin)) s"
  else
    step "building ($preset)" "${command[@]}" || fail "the build failed; see above"
  fi
}
