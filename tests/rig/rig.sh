#!/usr/bin/env bash
# Hosts that are really separate, on one machine: sshd on loopback addresses, each with a docker engine of its own.
# See README.md beside this file.
set -u
RIG_SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
SELF=$RIG_SOURCE/rig.sh
# shellcheck source-path=SCRIPTDIR
{
  . "$RIG_SOURCE/lib/common.sh"
  . "$RIG_SOURCE/lib/packages.sh"
  . "$RIG_SOURCE/lib/image.sh"
  . "$RIG_SOURCE/lib/registry.sh"
  . "$RIG_SOURCE/lib/hosts.sh"
}

usage() {
  cat <<'END'
Usage: tests/rig/rig.sh COMMAND [--dir DIR]

  up [--hosts N] [--machines M] [--port P] [--tie]
                        start N hosts (3) on M machines (as many as hosts, at most 3) and print their environment;
                        with --tie the rig ends when standard input does
  down                  end it and remove its directory
  status                say what runs
  env                   print the environment as shell assignments
  run [options of up] -- COMMAND…
                        start a rig, run COMMAND with its environment, end the rig with it
  on N COMMAND…         run COMMAND on host N, beside sshd
  host stop|start|freeze|thaw N
                        take the host's sshd away with its connections; freeze: connections open, nothing answers
  engine stop|start|freeze|thaw N
                        the same with the docker engine of machine N
  add podman|dropbear|sudo|german N
                        give host N what few tests need; prints what there is to know of it

DIR is $RIG_DIR, else a new temporary directory.
END
}

# Becomes root, keeping what the rig reads from the environment.
as_root() {
  [ "$(id -u)" != 0 ] || return 0
  sudo -n true 2>/dev/null || die "the rig must run as root (namespaces, a docker engine, sshd)" "run it as root, or allow sudo without a password"
  exec sudo -n env "PATH=$PATH" "RIG_DIR=${RIG_DIR:-}" "RIG_SLOT=${RIG_SLOT:-}" "RIG_HOST_PATH=${RIG_HOST_PATH:-}" "$SELF" "$@"
}

# The process that owns a rig: it starts the machines as its children, and ends them when it ends, however that comes.
supervise() {
  local number machine directory archive
  load_rig
  trap 'exit 1' TERM INT HUP
  trap 'remove_rig "$SLOT"' EXIT
  exec 3<&0 </dev/null
  identity_of $$ >"$REGISTRY/$SLOT/owner"
  archive=$(image_archive)
  SSHD=$(PATH="$PATH:/usr/sbin" command -v sshd)

  local start_first=1
  for number in $(seq "$MACHINES"); do
    directory=$RIG_DIR/machine-$number
    mkdir -p "$directory"
    ssh-keygen -q -t ed25519 -N '' -C "edge-$number" -f "$directory/host_key" </dev/null
    printf '%s=%q\n' NAME "edge-$number" ID "mcp-rig-$SLOT-$number" IMAGE_TAR "$archive" PASSWORD "$PASSWORD" \
      AUTHORIZED_KEYS "$RIG_DIR/key.pub" OWNER "${SUDO_UID:+$SUDO_UID:$SUDO_GID}" >"$directory/settings"
    # Killed with this process even if it is killed, and everything in its namespaces with it.
    setpriv --pdeathsig KILL unshare --mount --net --pid --uts --ipc --fork --kill-child -- \
      bash "$RIG_SOURCE/lib/machine.sh" init "$directory" >"$directory/init.log" 2>&1 3<&- &
    echo $! >"$directory/launcher"
  done
  for number in $(seq "$HOSTS"); do
    machine=$((($number - 1) % MACHINES + 1))
    mkdir -p "$RIG_DIR/edge-$number"
    write_sshd_config "$number" "$machine"
    printf '[%s]:%s %s\n' "$(address "$SLOT" "$number")" "$PORT" "$(cut -d' ' -f1,2 "$RIG_DIR/machine-$machine/host_key.pub")"
  done >"$RIG_DIR/known_hosts"
  write_workspace
  for number in $(seq "$MACHINES"); do
    directory=$RIG_DIR/machine-$number
    # Sixty seconds: three engines start in two, on a busy machine in ten.
    wait_until 60 machine_settled "$directory"
    if [ ! -f "$directory/ready" ]; then
      say "machine $number did not start:"
      tail -n 5 "$directory/init.log" "$directory/dockerd.log" >&2
      exit 1
    fi
  done
  if [ ! -f "$archive" ]; then
    build_image "$RIG_DIR/machine-1/docker.sock" "$archive" || { say "the image could not be built"; exit 1; }
    for number in $(seq 2 "$MACHINES"); do
      docker -H "unix://$RIG_DIR/machine-$number/docker.sock" load -q -i "$archive" || exit 1
    done
  fi
  for number in $(seq "$HOSTS"); do host_start "$number"; done
  [ -z "${SUDO_UID:-}" ] || chown "$SUDO_UID:$SUDO_GID" "$RIG_DIR" "$RIG_DIR"/key* "$RIG_DIR/known_hosts" "$RIG_DIR/workspace" "$RIG_DIR"/workspace/*
  print_environment >"$RIG_DIR/env.new"
  mv "$RIG_DIR/env.new" "$RIG_DIR/env"
  if [ "$TIE" ]; then cat <&3 >/dev/null & else sleep infinity & fi
  wait $!
  exit 0
}
machine_settled() { [ -f "$1/ready" ] || ! kill -0 "$(<"$1/launcher")"; }

up() {
  if [ -f "${RIG_DIR:-}/env" ] && is_alive "$RIG_DIR/owner"; then
    say "a rig runs in $RIG_DIR already"
    cat "$RIG_DIR/env"
    return
  fi
  install_rig_packages
  compile_server
  as_root up "${ARGUMENTS[@]}"
  RIG_DIR=${RIG_DIR:-$(mktemp -d -t mcp-rig.XXXXXX)}
  mkdir -p "$RIG_DIR"
  RIG_DIR=$(cd "$RIG_DIR" && pwd)
  # sun_path holds 108 bytes (unix(7)).
  [ ${#RIG_DIR} -le 80 ] || die "the path is too long for a socket: $RIG_DIR" "choose a shorter one with --dir"
  if [ -n "$(ls -A "$RIG_DIR")" ] && [ ! -f "$RIG_DIR/.mcp-rig" ]; then
    die "$RIG_DIR is not empty and not a rig's" "choose another directory with --dir"
  fi
  claim_slot "$RIG_DIR"
  rm -rf "$RIG_DIR" && mkdir -m 755 "$RIG_DIR" || exit 1
  : >"$RIG_DIR/.mcp-rig"
  echo '*' >"$RIG_DIR/.gitignore"
  ssh-keygen -q -t ed25519 -N '' -C mcp-rig -f "$RIG_DIR/key" </dev/null
  printf '%s=%q\n' HOSTS "$HOSTS" MACHINES "$MACHINES" PORT "$PORT" SLOT "$SLOT" TIE "$TIE" \
    PASSWORD "$(</proc/sys/kernel/random/uuid)" >"$RIG_DIR/rig"
  ln -s "$REGISTRY/$SLOT/owner" "$RIG_DIR/owner"
  local log
  log=$(mktemp -t mcp-rig-log.XXXXXX)
  RIG_DIR=$RIG_DIR setsid "$SELF" supervise <&0 >"$log" 2>&1 &
  local supervisor=$!
  wait_until 180 up_settled "$supervisor"
  if [ ! -f "$RIG_DIR/env" ]; then
    cat "$log" >&2
    rm -f "$log"
    die "the rig did not start"
  fi
  rm -f "$log"
  cat "$RIG_DIR/env"
}
up_settled() { [ -f "$RIG_DIR/env" ] || ! kill -0 "$1"; }

down() {
  [ -f "${RIG_DIR:-}/.mcp-rig" ] || { say "no rig in ${RIG_DIR:-(RIG_DIR is not set)}"; return 0; }
  as_root down "${ARGUMENTS[@]}"
  load_rig
  local owner
  if is_alive "$RIG_DIR/owner"; then
    read -r owner _ <"$RIG_DIR/owner"
    kill -TERM "$owner"
    wait_until 30 not is_alive "$REGISTRY/$SLOT/owner"
  fi
  # Nothing is left to do unless the owner was killed before.
  [ ! -d "$RIG_DIR" ] || remove_rig "$SLOT"
}

run() {
  local status
  RIG_DIR=${RIG_DIR:-$(mktemp -u -t mcp-rig.XXXXXX)}
  export RIG_DIR
  # The rig lives as long as the writing end of this pipe: as long as this process, however it ends.
  exec {tie}> >(exec "$SELF" up --tie "${ARGUMENTS[@]}" >/dev/null)
  wait $! || exit 1
  # shellcheck source=/dev/null
  . "$RIG_DIR/env"
  "${COMMAND[@]}" {tie}>&-
  status=$?
  "$SELF" down --dir "$RIG_DIR"
  exit "$status"
}

status() {
  load_rig
  local number machine
  for number in $(seq "$HOSTS"); do
    machine=$((($number - 1) % MACHINES + 1))
    printf 'edge-%s  %s:%s  machine %s  engine %s\n' "$number" "$(address "$SLOT" "$number")" "$PORT" "$machine" \
      "$(timeout 5 docker -H "unix://$RIG_DIR/machine-$machine/docker.sock" version -f '{{.Server.Version}}' 2>/dev/null || echo 'does not answer')"
  done
}

engine() {
  local machine=$2 daemon
  case $1 in
    stop | start) inside "$machine" bash "$RIG_SOURCE/lib/machine.sh" "engine-$1" "$RIG_DIR/machine-$machine" ;;
    freeze | thaw)
      daemon=$(inside "$machine" cat /run/docker.pid) && inside "$machine" kill "-$([ "$1" = freeze ] && echo STOP || echo CONT)" "$daemon"
      ;;
    *) usage >&2; exit 2 ;;
  esac
}

host() {
  case $1 in
    stop) signal_host "$2" CONT TERM ;;
    start) host_start "$2" ;;
    freeze) signal_host "$2" STOP ;;
    thaw) signal_host "$2" CONT ;;
    *) usage >&2; exit 2 ;;
  esac
}

# add KIND N: installs what is missing and has the host's machine set it up, once.
add() {
  local kind=$1 number=$2 machine lock
  machine=$(machine_of "$number") || exit 1
  exec {lock}>"$RIG_DIR/edge-$number/add.lock"
  flock "$lock"
  case $kind in
    podman) install_missing podman=podman ;;
    dropbear) install_missing dropbear=dropbear-bin setsid=util-linux ;;
    sudo) install_missing sudo=sudo ;;
    german) install_missing localedef=libc-bin && install_locales ;;
    *) usage >&2; exit 2 ;;
  esac
  inside "$machine" bash "$RIG_SOURCE/lib/machine.sh" "$kind" "$RIG_DIR/machine-$machine" {lock}>&- >&2 ||
    die "edge-$number: no $kind"
  [ "$kind" != dropbear ] || dropbear_start "$number" "$machine" {lock}>&-
}

HOSTS=3 MACHINES='' PORT=${RIG_PORT:-2222} TIE='' REST=() COMMAND=() ARGUMENTS=()
action=${1:-}
[ $# -eq 0 ] || shift
ALL=("$@")
while [ $# -gt 0 ]; do
  case $1 in
    --dir) RIG_DIR=$2 && ARGUMENTS+=("$1" "$2") && shift 2 ;;
    --hosts) HOSTS=$2 && ARGUMENTS+=("$1" "$2") && shift 2 ;;
    --machines) MACHINES=$2 && ARGUMENTS+=("$1" "$2") && shift 2 ;;
    --port) PORT=$2 && ARGUMENTS+=("$1" "$2") && shift 2 ;;
    --tie) TIE=1 && ARGUMENTS+=("$1") && shift ;;
    --) shift && COMMAND=("$@") && break ;;
    *) REST+=("$1") && shift && [ "$action" = on ] && [ ${#REST[@]} -eq 1 ] && REST+=("$@") && break ;;
  esac
done
for number in "$HOSTS" "${MACHINES:-1}" "$PORT"; do
  case $number in '' | 0* | *[!0-9]*) die "$number is not a number of hosts, machines or a port" ;; esac
done
[ -n "$MACHINES" ] || MACHINES=$((HOSTS < 3 ? HOSTS : 3))
[ "$MACHINES" -le "$HOSTS" ] || die "there are more machines ($MACHINES) than hosts ($HOSTS)"
SSHD=$(PATH="$PATH:/usr/sbin" command -v sshd)

case $action in
  up) up ;;
  supervise) supervise ;;
  down) down ;;
  run) run ;;
  status) as_root status "${ALL[@]}" && status ;;
  env) load_rig && cat "$RIG_DIR/env" ;;
  on)
    as_root on "${ALL[@]}" && load_rig
    machine=$(machine_of "${REST[0]}") || exit 1
    inside "$machine" "${REST[@]:1}"
    ;;
  host | engine | add)
    as_root "$action" "${ALL[@]}" && load_rig
    machine_of "${REST[1]:-}" >/dev/null || exit 1
    "$action" "${REST[@]}"
    ;;
  help | --help | -h) usage ;;
  *) usage >&2; exit 2 ;;
esac
