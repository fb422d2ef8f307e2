#!/usr/bin/env bash
# The inside of one machine of the rig. As `init` it is process 1 of new pid, mount, network, host name and IPC
# namespaces: a docker engine of its own, a loopback and bridge of its own, and nothing that outlives process 1.
# usage: machine.sh init|engine-start|engine-stop|podman|dropbear|sudo|german DIRECTORY (of the machine)
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

# podman with the rig's image, beside docker and apart from a podman outside.
podman_start() {
  [ ! -f /run/rig/containers/ready ] || return 0
  mkdir -p /run/rig/containers "$directory/data/podman"
  cp -r /etc/containers/. /run/rig/containers/
  # crun refuses hosts with both versions of cgroups; there is no systemd, and its journal, in here.
  printf '[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\nevents_logfile_path = "%s"\n' \
    "$directory/podman-events.log" >/run/rig/containers/containers.conf
  printf '[storage]\ndriver = "overlay"\ngraphroot = "%s"\nrunroot = "/run/podman"\n' "$directory/data/podman" >/run/rig/containers/storage.conf
  mount --bind /run/rig/containers /etc/containers
  [ ! -d /var/lib/cni ] || mount -t tmpfs tmpfs /var/lib/cni
  podman load -q -i "$IMAGE_TAR" && : >/run/rig/containers/ready
}

# Dropbear reads the keys in the accounts' home.
dropbear_start() {
  mkdir -p -m 755 /run/home/.ssh
  cp "$AUTHORIZED_KEYS" /run/home/.ssh/authorized_keys
}

# Rules of sudo: guest may run docker and podman as root, deputy the same and hand on variables.
sudo_start() {
  [ ! -f /run/rig/sudoers ] || return 0
  local programs
  programs=$(command -v docker podman | paste -sd, | sed 's/,/, /g')
  printf 'Defaults env_reset, !use_pty, secure_path="%s"\nguest ALL=(root) NOPASSWD: NOSETENV: %s\ndeputy ALL=(root) NOPASSWD: SETENV: %s\n' \
    "$PATH" "$programs" "$programs" >/run/rig/sudoers
  chmod 440 /run/rig/sudoers
  mount --bind /run/rig/sudoers /etc/sudoers
}

# The locale de_DE.UTF-8, compiled once for all rigs.
german_start() {
  [ ! -d /run/rig/locale ] || return 0
  local compiled
  compiled=$(dirname "$0")/../mcp-server/target/de_DE.UTF-8
  if [ ! -d "$compiled" ]; then
    localedef --no-archive -i de_DE -f UTF-8 "$compiled.$$" && mv -T "$compiled.$$" "$compiled" || return 1
  fi
  cp -r /usr/lib/locale /run/rig/locale
  cp -r "$compiled" /run/rig/locale/de_DE.UTF-8
  mount --bind /run/rig/locale /usr/lib/locale
}

# Accounts that exist on this machine of the rig alone: root has a password; guest and deputy may log in but not use docker; the
# others have a login shell that is none of POSIX.
accounts() {
  local hash file
  hash=$(perl -e 'print crypt($ARGV[0], q($6$mcp.rig$))' "$PASSWORD")
  sed -e "s|^root:[^:]*:|root:$hash:|" /etc/shadow >/run/rig/shadow
  # Dropbear goes by the home that is written there.
  sed 's|^\(root:[^:]*:[^:]*:[^:]*:[^:]*:\)[^:]*:|\1/run/home:|' /etc/passwd >/run/rig/passwd
  printf '#!/bin/sh\necho "Welcome to %s"\nexec /bin/sh "$@"\n' "$NAME" >/run/rig/banner
  chmod 755 /run/rig/banner
  local account id=64990
  for account in guest:/bin/sh deputy:/bin/sh nologin:/usr/sbin/nologin false:/bin/false rbash:/bin/rbash fish:/usr/bin/fish \
    tcsh:/usr/bin/tcsh banner:/run/rig/banner; do
    echo "${account%%:*}:$hash:19000:0:99999:7:::" >>/run/rig/shadow
    echo "${account%%:*}:x:$id:65534:${account%%:*}:/run/home:${account#*:}" >>/run/rig/passwd
    id=$((id + 1))
  done
  chmod 600 /run/rig/shadow
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
  podman | dropbear | sudo | german) "${action}_start" ;;
esac
