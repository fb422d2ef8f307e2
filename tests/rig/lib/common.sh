# Words shared by the rig's scripts: messages, processes that are who they say they are, waiting for conditions.
# shellcheck shell=bash

say() { printf 'rig: %s\n' "$*" >&2; }
die() {
  say "error: $1"
  shift
  for hint in "$@"; do printf '  hint: %s\n' "$hint" >&2; done
  exit 1
}

# A process is its id and its start time (proc(5), field 22 of stat): ids are used again, the pair is not.
identity_of() {
  local stat
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
  # The command's name may hold spaces and parentheses, so fields count from the last parenthesis.
  # shellcheck disable=SC2086
  set -- "$1" ${stat##*) }
  [ "$2" != Z ] && echo "$1 ${21}"
}
# is_alive FILE: does the process that FILE names still run?
is_alive() {
  local pid start
  { read -r pid start <"$1"; } 2>/dev/null || return 1
  [ "$(identity_of "$pid")" = "$pid $start" ]
}
# kill_named FILE: kill -9 the process that FILE names, and wait until it is gone.
kill_named() {
  local pid
  is_alive "$1" || return 0
  read -r pid _ <"$1"
  kill -KILL "$pid" 2>/dev/null
  wait_until 20 not is_alive "$1" || say "process $pid does not end"
}

not() { ! "$@"; }
# wait_until SECONDS COMMAND…: run COMMAND until it succeeds, at most so long.
wait_until() {
  local deadline=$((${EPOCHREALTIME/./} + $1 * 1000000))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "${EPOCHREALTIME/./}" -lt "$deadline" ] || return 1
    sleep 0.03
  done
}
