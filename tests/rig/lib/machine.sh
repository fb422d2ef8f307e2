#!/usr/bin/env bash
# The inside of one machine of the rig. As `init` it is process 1 of new pid, mount, network, host name and IPC
# namespaces: a docker engine of its own, a loopback and bridge of its own, and nothing that outlives process 1.
# usage: machine.sh init|engine-start|engine-stop DIRECTORY (of the machine)
set -u
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"

action=$1 directory=$2
# shellcheck source=/dev/null
. "$directory/settings" # NAME ID IMAGE_TAR PASSWORD AUTHORIZED_KEYS OWNER

answers() { docker -H "unix://$directory/docker.sock" version; }

engine_start() {
  # A container's cgroup is left behind when process 1 is killed; the parent's name tells whose it is.
  setsid dockerd \
    --config-file "$directory/daemon.json" --data-root "$directory/data" --exec-root /run/docker --pidfile /run/docker.pid \
    -H unix:///run/docker.sock -H "unix://$directory/docker.sock" \
    --iptables=false --ip6tables=false --cgroup-parent "/$ID" --exec-opt native.cgroupdriver=cgroupfs \
    --shutdown-timeout 2 >>"$directory/dockerd.log" 2>&1 </dev/null &
  local daemon=$!
  until answers >/dev/null 2>&1; do
    kill -0 "$daemon" 2>/dev/null || return 1
    sleep 0.03
  done
  [ -z "$OWNER" ] || chown "$OWNER" "$directory/docker.sock"
}

engine_stop() {
  local daemon
  daemon=$(cat /run/docker.pid 2>/dev/null) || return 0
  kill -CONT "$daemon"
  kill -TERM "$daemon"
  wait_until 30 not kill -0 "$daemon" || { kill -KILL "$daemon"; wait_until 5 not kill -0 "$daemon"; }
}

# Accounts that exist on this machine of the rig alone: root has a password, guest may log in but not use docker.
accounts() {
  local hash file
  hash=$(perl -e 'print crypt($ARGV[0], q($6$mcp.rig$))' "$PASSWORD")
  sed -e "s|^root:[^:]*:|root:$hash:|" /etc/shadow >/run/rig/shadow
  echo "guest:$hash:19000:0:99999:7:::" >>/run/rig/shadow
  chmod 600 /run/rig/shadow
  cp /etc/passwd /run/rig/passwd
  echo 'guest:x:64999:65534:guest:/run/home:/bin/sh' >>/run/rig/passwd
  for file in shadow passwd; do mount --bind "/run/rig/$file" "/etc/$file"; done
}

init() {
  set -e
  # /proc is still that of the machine outside, which is where the rig must find this process.
  local pid _
  read -r pid _ </proc/self/stat
  identity_of "$pid" >"$directory/init"
  mount -t proc proc /proc
  mount -t tmpfs -o mode=755 tmpfs /run
  mkdir -p /run/sshd /run/rig /run/home "$directory/data"
  # In memory: faster, and gone with this namespace.
  mount -t tmpfs -o mode=711 tmpfs "$directory/data"
  hostname "$NAME"
  ip link set lo up
  accounts
  cp "$AUTHORIZED_KEYS" /run/rig/authorized_keys
  echo '{}' >"$directory/daemon.json"
  engine_start
  [ ! -f "$IMAGE_TAR" ] || docker -H "unix://$directory/docker.sock" load -q -i "$IMAGE_TAR"
  : >"$directory/ready"
  set +e
  # Process 1 reaps what others leave; bash does so while it waits.
  while :; do
    sleep infinity &
    wait $!
  done
}

case $action in
  init) init ;;
  engine-start) answers >/dev/null 2>&1 || engine_start ;;
  engine-stop) engine_stop ;;
esac
