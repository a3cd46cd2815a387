# Shared by ./run and ./test (bash): steps with their time, the compiler cache, building.

mkdir -p .ruche

# On a terminal, shows ninja's and ctest's counters while the command works.
with_progress() {
  local log=$1 pid counter
  shift
  if [ ! -t 1 ]; then
    "$@" >"$log" 2>&1
    return
  fi
  "$@" >"$log" 2>&1 &
  pid=$!
  while kill -0 "$pid" 2>/dev/null; do
    counter=$(tail -c 400 "$log" 2>/dev/null | grep -oE '^(\[[0-9]+/[0-9]+\]| *[0-9]+/[0-9]+ )' |
      tail -1 | tr -d ' []' || true)
    printf '%-12s\033[12D' "$counter"
    sleep 0.5
  done
  printf '\033[K'
  wait "$pid"
}

# Runs a command as a step: says what and how long; its output goes to a log that is shown when it
# fails. The time is left in $step_seconds.
step() {
  local title=$1 started=$SECONDS log
  log=.ruche/$(printf '%s' "$title" | tr -c 'A-Za-z0-9\n' '-').log
  shift
  printf '==> %s ... ' "$title"
  if with_progress "$log" "$@"; then
    step_seconds=$((SECONDS - started))
    printf 'done in %s s\n' "$step_seconds"
    return 0
  fi
  step_seconds=$((SECONDS - started))
  printf 'FAILED after %s s\n' "$step_seconds"
  if grep -q '^The following tests FAILED' "$log"; then
    sed -n '/^The following tests FAILED/,$p' "$log" | sed 's/^/    /'
  else
    { grep -nE 'error:|FAILED|fatal' "$log" || true; } | head -20 | sed 's/^/    /'
    echo "    --- the end of $PWD/$log:"
    tail -25 "$log" | sed 's/^/    /'
  fi
  return 1
}

# A cache that the user has is used; otherwise one inside the clone, so that nothing outside it
# changes. The sloppiness is what precompiled headers need.
use_compiler_cache() {
  if [ -z "${CCACHE_DIR:-}" ] && [ ! -d "${HOME:-/nonexistent}/.cache/ccache" ]; then
    export CCACHE_DIR=$PWD/.cache/ccache
  fi
  export CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
}

configure() {
  [ -f "build/$1/build.ninja" ] || cmake --preset "$1"
}

# build <preset> [target...]
build() {
  local preset=$1
  shift
  configure "$preset" && ninja -C "build/$preset" "$@"
}

# A socket's path has at most 107 bytes (unix(7)); a deep clone gets a short one elsewhere.
socket_path() {
  local path=$PWD/.ruche/ruched.sock
  if [ ${#path} -gt 100 ]; then
    path=${XDG_RUNTIME_DIR:-/tmp}/ruche-$(printf '%s' "$PWD" | cksum | cut -d' ' -f1).sock
  fi
  printf '%s' "$path"
}
