# The hosts of a rig that is there: which machine each is on, its sshd, and what others are told of it.
# shellcheck shell=bash

# inside MACHINE COMMAND…: in the namespaces of that machine.
inside() {
  local machine=$RIG_DIR/machine-$1 pid
  shift
  is_alive "$machine/init" || die "${machine##*/} of the rig in $RIG_DIR does not run" "see $SELF status"
  read -r pid _ <"$machine/init"
  nsenter -t "$pid" -m -u -i -n -p -- "$@"
}

load_rig() {
  [ -f "${RIG_DIR:-}/rig" ] || die "no rig in ${RIG_DIR:-(RIG_DIR is not set)}" "start one: $SELF up --dir DIR"
  # shellcheck source=/dev/null
  . "$RIG_DIR/rig" # HOSTS MACHINES PORT SLOT PASSWORD
}
machine_of() {
  case $1 in '' | *[!0-9]*) die "$1 is not a host's number" ;; esac
  [ "$1" -ge 1 ] && [ "$1" -le "$HOSTS" ] || die "there is no host $1: there are $HOSTS"
  echo $((($1 - 1) % MACHINES + 1))
}

host_start() {
  local number=$1 machine directory=$RIG_DIR/edge-$1 pid
  machine=$(machine_of "$number") || exit 1
  is_alive "$RIG_DIR/machine-$machine/init" || die "machine $machine does not run"
  read -r pid _ <"$RIG_DIR/machine-$machine/init"
  # All of the machine's namespaces but the network: the listener's socket is this machine's, the sessions are not.
  nsenter -t "$pid" -m -u -i -p -- perl "$RIG_SOURCE/lib/listen.pl" "$(address "$SLOT" "$number")" "$PORT" "$directory/listener" \
    "$(command -v nsenter)" --net=/proc/1/ns/net -- "$SSHD" -i -f "$directory/sshd_config" -E "$directory/sshd.log" \
    </dev/null >>"$directory/listener.log" 2>&1 || die "edge-$number: $(tail -n 1 "$directory/listener.log")"
}
# dropbear_start NUMBER MACHINE: a Dropbear beside the host's sshd, on the next port, with a key of each type; prints the port and the keys.
# As Dropbear does it by itself, each connection is a session that its own process, root's, leads.
dropbear_start() {
  local number=$1 machine=$2 directory=$RIG_DIR/edge-$1 type keys=() pid
  for type in ed25519 ecdsa rsa; do
    [ -f "$directory/dropbear_$type" ] || dropbearkey -t "$type" -f "$directory/dropbear_$type" >/dev/null 2>&1 || exit 1
    keys+=(-r "$directory/dropbear_$type")
  done
  if [ ! -f "$directory/dropbear_listener" ]; then
    read -r pid _ <"$RIG_DIR/machine-$machine/init"
    nsenter -t "$pid" -m -u -i -p -- perl "$RIG_SOURCE/lib/listen.pl" "$(address "$SLOT" "$number")" $((PORT + 1)) \
      "$directory/dropbear_listener" "$(command -v nsenter)" --net=/proc/1/ns/net -- \
      setsid dropbear -i "${keys[@]}" \
      </dev/null >>"$directory/listener.log" 2>&1 || die "edge-$number: $(tail -n 1 "$directory/listener.log")"
  fi
  echo $((PORT + 1))
  for type in ed25519 ecdsa rsa; do dropbearkey -y -f "$directory/dropbear_$type" | grep -E '^(ssh|ecdsa)-' | cut -d' ' -f1,2; done
}
# signal_host NUMBER SIGNAL…: to its listener, which ends its connections with itself; STOP and CONT to these as well.
signal_host() {
  local number=$1 machine listener signal
  shift
  machine=$(machine_of "$number") || exit 1
  read -r listener <"$RIG_DIR/edge-$number/listener" || die "edge-$number has no listener"
  for signal; do
    case $signal in
      STOP | CONT) inside "$machine" kill "-$signal" -- "-$listener" ;;
      *) inside "$machine" kill "-$signal" "$listener" ;;
    esac || return 1
  done
  [ "$signal" != TERM ] || wait_until 5 not inside "$machine" kill -0 "$listener"
}

write_sshd_config() {
  cat >"$RIG_DIR/edge-$1/sshd_config" <<END
HostKey $RIG_DIR/machine-$2/host_key
AuthorizedKeysFile /run/rig/authorized_keys
PermitRootLogin yes
PasswordAuthentication yes
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
UseDNS no
PrintMotd no
PidFile none
LogLevel VERBOSE
Subsystem sftp internal-sftp
SetEnv HOME=/run/home PATH=${RIG_HOST_PATH:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}
END
}

write_workspace() {
  local number
  mkdir -p "$RIG_DIR/workspace"
  {
    cat <<END
version: 1
ssh_config: none
defaults:
  user: root
  port: $PORT
  identity_file: $RIG_DIR/key
  known_hosts: $RIG_DIR/known_hosts
hosts:
END
    for number in $(seq "$HOSTS"); do
      printf '  edge-%s:\n    address: %s\n    groups: [demo]\n' "$number" "$(address "$SLOT" "$number")"
    done
    printf 'groups:\n  demo: {}\n'
  } >"$RIG_DIR/workspace/hosts.yaml"
}

print_environment() {
  local number addresses=() names=() sockets=()
  for number in $(seq "$HOSTS"); do
    names+=("edge-$number")
    addresses+=("$(address "$SLOT" "$number")")
    sockets+=("$RIG_DIR/machine-$((($number - 1) % MACHINES + 1))/docker.sock")
  done
  printf 'export %s=%q\n' RIG_DIR "$RIG_DIR" RIG_HOSTS "${names[*]}" RIG_ADDRESSES "${addresses[*]}" RIG_PORT "$PORT" \
    RIG_KEY "$RIG_DIR/key" RIG_KNOWN_HOSTS "$RIG_DIR/known_hosts" RIG_DOCKER_SOCKETS "${sockets[*]}" RIG_IMAGE mcp-demo:1 \
    RIG_PASSWORD "$PASSWORD" RIG_WORKSPACE "$RIG_DIR/workspace"
}
