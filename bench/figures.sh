#!/usr/bin/env bash
# Measures mcp on the three-host rig: restart against a shell loop, kill -9 while state is written, two at once, start-up.
# usage: bench/figures.sh        builds a release binary and starts a rig; MCP_BIN takes another binary.
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ -z "${RIG_WORKSPACE:-}" ]; then
  [ -n "${MCP_BIN:-}" ] || cargo build --release --locked --quiet
  export MCP_BIN=${MCP_BIN:-$PWD/target/release/mcp}
  exec tests/rig/rig.sh run -- "${BASH_SOURCE[0]}"
fi
unset SSH_AUTH_SOCK
export MCP_DIR=$RIG_WORKSPACE
read -ra addresses <<<"$RIG_ADDRESSES"
seconds() { # seconds COMMAND…: wall time of one run
  local begin end
  begin=$(date +%s%N)
  "$@" >/dev/null 2>&1 || true
  end=$(date +%s%N)
  awk -v ns=$((end - begin)) 'BEGIN { printf "%.2f", ns / 1e9 }'
}
count() { cat "$RIG_DIR"/edge-*/sshd.log | grep -c "$1" || true; }
on() { ssh -F none -n -i "$RIG_KEY" -o UserKnownHostsFile="$RIG_KNOWN_HOSTS" -o KexAlgorithms=curve25519-sha256 -p "$RIG_PORT" "root@$1" "$2"; }

echo "== start-up and size"
stat -c 'binary: %s bytes' "$MCP_BIN"
for flag in --version --help; do
  perl -e 'use POSIX; for (1..100) { my $p = fork // die; if (!$p) { open STDOUT, ">", "/dev/null"; exec @ARGV } waitpid $p, 0 }
    my (undef, undef, $u, $s) = (POSIX::times())[1..4]; my @t = times; printf "%s: %.2f ms of CPU (mean of 100)\n", $ARGV[1], ($t[2] + $t[3]) * 10' "$MCP_BIN" $flag
done

echo "== restart --all, 3 hosts with 10 servers each"
{
  echo 'version: 1'
  echo 'servers:'
  for n in 0 1 2 3 4 5 6 7 8 9; do
    printf '  s%s:\n    command: docker run -d --name s%s -p 900%s:8080 %s\n    host: "@demo"\n' "$n" "$n" "$n" "$RIG_IMAGE"
  done
} >"$MCP_DIR/servers.yaml"
"$MCP_BIN" start --all --quiet >/dev/null
loop() { for a in "${addresses[@]}"; do for n in 0 1 2 3 4 5 6 7 8 9; do on "$a" "docker restart s$n"; done; done; }
one_per_host() { for a in "${addresses[@]}"; do on "$a" "docker restart s0 s1 s2 s3 s4 s5 s6 s7 s8 s9"; done; }
parallel_hosts() { for a in "${addresses[@]}"; do on "$a" "docker restart s0 s1 s2 s3 s4 s5 s6 s7 s8 s9" & done; wait; }
for round in 1 2 3; do
  sessions=$(count 'Accepted [a-z]* for') execs=$(count 'Starting session: command')
  t_mcp=$(seconds "$MCP_BIN" restart --all)
  sessions=$(($(count 'Accepted [a-z]* for') - sessions)) execs=$(($(count 'Starting session: command') - execs))
  t_zero=$(seconds "$MCP_BIN" restart --all --settle 0)
  echo "round $round: mcp $t_mcp s (1 s of it settle; $t_zero s with --settle 0), $sessions sessions, $execs execs;" \
    "loop of ssh docker restart NAME $(seconds loop) s; one ssh per host, in turn $(seconds one_per_host) s; at once $(seconds parallel_hosts) s"
done
"$MCP_BIN" list -o json | grep -c '"status": "running"' | sed 's/^/running afterwards: /'

echo "== list on localhost with 50 containers against docker ps"
read -ra sockets <<<"$RIG_DOCKER_SOCKETS"
local_dir=$RIG_DIR/local
mkdir -p "$local_dir"
{
  printf 'version: 1\nhosts:\n  localhost:\n    connection: local\n    docker: DOCKER_HOST=unix://%s docker\n' "${sockets[0]}"
} >"$local_dir/hosts.yaml"
{
  printf 'version: 1\nservers:\n'
  for n in $(seq 50); do printf '  c%s: {command: docker run -d --name c%s %s}\n' "$n" "$n" "$RIG_IMAGE"; done
} >"$local_dir/servers.yaml"
"$MCP_BIN" -C "$local_dir" start --all --quiet >/dev/null
for round in 1 2 3; do
  echo "round $round: mcp list $(seconds "$MCP_BIN" -C "$local_dir" list) s," \
    "docker ps -a $(seconds env DOCKER_HOST="unix://${sockets[0]}" docker ps -a) s," \
    "docker inspect of the 50 $(seconds env DOCKER_HOST="unix://${sockets[0]}" docker container inspect $(seq -f c%g 50)) s"
done
"$MCP_BIN" -C "$local_dir" remove c1 --stop --yes --quiet

echo "== kill -9 in 100 runs that write state"
bad=0
for n in $(seq 100); do
  if ((n % 2)); then "$MCP_BIN" list >/dev/null 2>&1 & else "$MCP_BIN" edit s1 --description "text $n" >/dev/null 2>&1 & fi
  pid=$!
  # list takes about 100 ms, edit a few: the moment of the kill is spread over both.
  if ((n % 2)); then sleep "0.$(printf %03d $((RANDOM % 200)))"; else sleep "0.00$((RANDOM % 9))"; fi
  kill -9 $pid 2>/dev/null || true
  wait $pid 2>/dev/null || true
  "$MCP_BIN" check >/dev/null 2>&1 || { bad=$((bad + 1)); echo "run $n left files that do not load"; }
done
echo "unloadable after 100 kills: $bad; temporary files left: $(find "$MCP_DIR" -name '.*tmp*' | wc -l)"

echo "== two mcp at once, 20 rounds"
lost=0
for n in $(seq 20); do
  "$MCP_BIN" add "a$n" --host edge-1 --command "docker run $RIG_IMAGE" >/dev/null 2>&1 &
  "$MCP_BIN" add "b$n" --host edge-2 --command "docker run $RIG_IMAGE" >/dev/null 2>&1 &
  "$MCP_BIN" list --on edge-3 >/dev/null 2>&1 &
  wait
  for s in "a$n" "b$n"; do grep -q "^  $s:" "$MCP_DIR/servers.yaml" || lost=$((lost + 1)); done
done
echo "entries lost: $lost of 40"
