# Which rigs there are on this machine: /run/mcp-rig/SLOT/{directory,owner}. A slot is a loopback network, 127.SLOT/16.
# shellcheck shell=bash

REGISTRY=/run/mcp-rig

# address SLOT NUMBER: the address of a host; the first of slot 0 is 127.0.10.1.
address() { echo "127.$1.$((10 + ($2 - 1) / 250)).$((($2 - 1) % 250 + 1))"; }

# Takes the first free slot for DIRECTORY in the name of this process, after sweeping away rigs whose owner died.
claim_slot() {
  local directory=$1 slot claimed=''
  mkdir -p "$REGISTRY"
  exec {lock}>"$REGISTRY/lock"
  flock "$lock"
  sweep
  for slot in ${RIG_SLOT:-$(seq 0 99)}; do
    [ ! -d "$REGISTRY/$slot" ] && port_is_free "$(address "$slot" 1)" "$PORT" || continue
    mkdir "$REGISTRY/$slot"
    claimed=1
    echo "$directory" >"$REGISTRY/$slot/directory"
    identity_of $$ >"$REGISTRY/$slot/owner"
    break
  done
  exec {lock}>&-
  [ "$claimed" ] || die "port $PORT is taken on each loopback network that a rig could use" \
    "end rigs that are not needed (see $REGISTRY) with rig.sh down --dir DIR, or choose another --port"
  SLOT=$slot
}

port_is_free() {
  perl -MIO::Socket::INET -e 'exit !IO::Socket::INET->new(LocalAddr => shift, LocalPort => shift, Listen => 1, ReuseAddr => 1)' "$1" "$2"
}

# Removes what rigs left behind whose owner was killed before it could.
sweep() {
  local entry
  for entry in "$REGISTRY"/*/; do
    [ -f "$entry/owner" ] && ! is_alive "$entry/owner" || continue
    say "sweeping away a rig whose owner died ($(<"$entry/directory"))"
    remove_rig "$(basename "$entry")"
  done
}

# remove_rig SLOT: ends its machines and removes its directory. What is not marked as a rig's is not touched.
remove_rig() {
  local slot=$1 directory machine
  read -r directory <"$REGISTRY/$slot/directory" || return 0
  if [ -f "$directory/.mcp-rig" ]; then
    for machine in "$directory"/machine-*/; do
      [ ! -f "$machine/init" ] || kill_named "$machine/init"
    done
    find /sys/fs/cgroup -depth -type d -path "*/mcp-rig-$slot-*" -exec rmdir {} + 2>/dev/null
    find /sys/fs/cgroup -depth -type d -name "mcp-rig-$slot-*" -exec rmdir {} + 2>/dev/null
    # podman has one place for all of its containers; its log names those that were this rig's.
    for machine in "$directory"/machine-*/podman-events.log; do
      [ -f "$machine" ] || continue
      grep -oE '"ID":"[0-9a-f]{64}"' "$machine" | cut -d'"' -f4 | sort -u | while read -r machine; do
        find /sys/fs/cgroup -depth -type d \( -name "libpod-$machine" -o -name "libpod-conmon-$machine" \) -exec rmdir {} + 2>/dev/null
      done
    done
    rm -rf --one-file-system "$directory"
  fi
  rm -rf "${REGISTRY:?}/$slot"
}
