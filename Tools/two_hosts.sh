#!/bin/bash
# Trains on two hosts that are network namespaces of this machine, each with an address and a name of its own, joined by
# one link: the result of one process, links of limited rates, a link that fails for a moment and one that is cut, and
# names that stand for a loopback address. Prints what it finds and ends with 1 when something differs.
# docs/results/hosts.md has the figures of a run.
#
# Needs root, and ip, tc and ss (Debian: iproute2). From the repository's folder, after `make build`:
#
#     sudo Tools/two_hosts.sh [OUTPUT]
set -u
tempflow=$PWD/.build/release/tempflow
output=${1:-runs/two-hosts}
timeout_s=20
[ "$(id -u)" = 0 ] || { echo "two_hosts.sh needs root, to make network namespaces" >&2; exit 2; }
for program in ip tc ss unshare nsenter; do
  command -v $program > /dev/null ||
    { echo "two_hosts.sh needs $program (Debian: iproute2, util-linux)" >&2; exit 2; }
done
[ -x "$tempflow" ] || { echo "two_hosts.sh needs $tempflow: run make build" >&2; exit 2; }
[ ! -e "$output" ] || { echo "$output exists: remove it, or name another folder" >&2; exit 2; }
mkdir -p "$output" && output=$(realpath "$output") || exit 2

# --- the hosts

namespaces=("tf-$$-0" "tf-$$-1")
names=(tf-host-0 tf-host-1)
addresses=(10.77.0.1 10.77.0.2)
pids=()
failures=0

clean() {
  for pid in "${pids[@]}"; do kill -KILL -- "-$pid" 2> /dev/null; done
  for namespace in "${namespaces[@]}"; do ip netns delete "$namespace" 2> /dev/null; done
}
trap clean EXIT

ip netns add "${namespaces[0]}" && ip netns add "${namespaces[1]}" || exit 2
ip link add link0 netns "${namespaces[0]}" type veth peer name link1 netns "${namespaces[1]}" || exit 2
# The table of names that the hosts use.
names_file=$output/names
printf '127.0.0.1 localhost\n%s %s\n%s %s\n' "${addresses[0]}" "${names[0]}" "${addresses[1]}" "${names[1]}" \
  > "$names_file"
printf '127.0.0.1 localhost\n127.0.1.1 %s\n127.0.1.1 %s\n' "${names[0]}" "${names[1]}" > "$output/loopback-names"
for host in 0 1; do
  ip -n "${namespaces[host]}" address add "${addresses[host]}/24" dev "link$host"
  ip -n "${namespaces[host]}" link set lo up
  ip -n "${namespaces[host]}" link set "link$host" up
done

# on HOST COMMAND...: runs a command there, under the host's name, which stands for its address.
on() {
  local host=$1
  shift
  nsenter --net="/run/netns/${namespaces[host]}" unshare --uts --mount bash -c \
    'hostname "$0" && mount --bind "$1" /etc/hosts && shift && exec "$@"' "${names[host]}" "$names_file" "$@"
}

# start HOST LOG COMMAND...: the same in the background, in a process group of its own, with its output in LOG and the
# moment of its end in LOG.end.
start() {
  local host=$1 log=$2
  shift 2
  set -m
  (
    on "$host" "$@" > "$log" 2>&1
    echo "$? $(date +%s.%N)" > "$log.end"
  ) &
  set +m
  pids+=($!)
}

# finish: waits for all that was started.
finish() {
  wait
  pids=()
}

rate() { # RATE|none, on both ends of the link
  for host in 0 1; do
    ip netns exec "${namespaces[host]}" tc qdisc delete dev "link$host" root 2> /dev/null
    [ "$1" = none ] || ip netns exec "${namespaces[host]}" tc qdisc add dev "link$host" root \
      tbf rate "$1" burst 256kb latency 200ms
  done
}

sent() { # HOST: the bytes that it has sent
  ip -n "${namespaces[$1]}" -s -j link show "link$1" |
    python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["stats64"]["tx"]["bytes"])'
}

# --- the runs

train=(train Recipes/shapes.yaml --set epochs=2 --set evaluation.prompts=20 --set threads=1)

check() { # TEXT COMMAND...
  local text=$1
  shift
  if "$@" > /dev/null; then echo "ok    $text"; else echo "FAIL  $text"; failures=$((failures + 1)); fi
}

# same RUN OTHER: the tensors of the last checkpoint and the metrics have the same bytes.
same() {
  cmp "$1/metrics.jsonl" "$2/metrics.jsonl" &&
    for file in model ema optimizer; do
      cmp "$1/checkpoints/000002/$file.safetensors" "$2/checkpoints/000002/$file.safetensors" || return 1
    done
}

ended_well() { for log in "$@"; do read -r status _ < "$log.end" && [ "$status" = 0 ] || return 1; done; }

ended_badly() { for log in "$@"; do read -r status _ < "$log.end" && [ "$status" != 0 ] || return 1; done; }

# ended_within SECONDS SINCE LOG
ended_within() {
  local end
  read -r _ end < "$3.end"
  python3 -c "import sys; sys.exit(not $end - $2 < $1)"
}

# ending RUN HOST SINCE PATTERN: status, seconds since a moment, and the matching lines.
ending() {
  local status end
  read -r status end < "$output/$1-$2.txt.end"
  echo "      host $2 ends with $status after $(python3 -c "print(f'{$end - $3:.1f}')") s:"
  grep -E "$4" "$output/$1-$2.txt" | sed 's/^/        /'
}

# wait_for_epoch RUN LOG: until the first epoch of a run is over, or its process.
wait_for_epoch() {
  until grep -qs '"kind":"epoch","epoch":1' "$output/$1/timings.jsonl" || [ -e "$2.end" ]; do sleep 0.2; done
}

epoch_seconds() {
  python3 - "$1/timings.jsonl" <<'PYTHON'
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
print(", ".join(f"{line['epoch_seconds']:.1f}" for line in lines if line.get("kind") == "epoch"))
PYTHON
}

# The variable that a host's processes get, if any.
interface() { [ -z "$interfaces" ] || echo "GLOO_SOCKET_IFNAME=link$1"; }
interfaces=

# launched RUN PROCESSES SETTING...: `tempflow launch` on both hosts.
launched() {
  local run=$1 processes=$2
  shift 2
  for host in 0 1; do
    start "$host" "$output/$run-$host.txt" env $(interface $host) "$tempflow" launch -n "$processes" \
      --nodes 2 --node-rank "$host" --master "${addresses[0]}" --port 29500 -- \
      "${train[@]}" --run-dir "$output/$run" "$@"
  done
}

echo "one process"
"$tempflow" "${train[@]}" --set optimizer.micro_batch=24 --run-dir "$output/one-24" > "$output/one-24.txt" 2>&1
"$tempflow" "${train[@]}" --set optimizer.micro_batch=32 --run-dir "$output/one-32" > "$output/one-32.txt" 2>&1
echo "      seconds of the epochs: $(epoch_seconds "$output/one-24")"

echo "two hosts, 2 + 1 processes, by the variables of torch.distributed"
for rank in 0 1 2; do
  host=$((rank / 2))
  start "$host" "$output/uneven-$rank.txt" env RANK=$rank WORLD_SIZE=3 LOCAL_RANK=$((rank % 2)) \
    LOCAL_WORLD_SIZE=$((2 - host)) MASTER_ADDR=${names[0]} MASTER_PORT=29400 \
    "$tempflow" "${train[@]}" --set optimizer.micro_batch=32 --run-dir "$output/uneven"
done
wait_for_epoch uneven "$output/uneven-0.txt"
for host in 0 1; do ip netns exec "${namespaces[host]}" ss -Htanp > "$output/sockets-$host.txt"; done
finish
check "every process ends with 0" ended_well "$output"/uneven-{0,1,2}.txt
check "the result of one process" same "$output/one-32" "$output/uneven"
for host in 0 1; do
  foreign=$(awk '{ print $4; print $5 }' "$output/sockets-$host.txt" |
    grep -vE '^(\[::ffff:)?10\.77\.0\.[12]\]?:[0-9]+$|:\*$|^\*:[0-9]+$')
  check "host $host uses the link's addresses alone${foreign:+, not $foreign}" [ -z "$foreign" ]
  echo "      sockets of host $host (number, state, local, remote):"
  awk '{ sub(/:[0-9]+$/, "", $4); sub(/:[0-9*]+$/, "", $5); print "        " $1, $4, $5 }' "$output/sockets-$host.txt" |
    sort | uniq -c
done

for rate in none 1gbit 20mbit; do
  echo "two hosts, 1 + 1 processes, tempflow launch, rate of the link: $rate"
  rate $rate
  before=$(sent 0)
  launched "rate-$rate" 1 --set optimizer.micro_batch=24
  finish
  check "both launchers end with 0" ended_well "$output/rate-$rate"-{0,1}.txt
  check "the result of one process" same "$output/one-24" "$output/rate-$rate"
  echo "      seconds of the epochs: $(epoch_seconds "$output/rate-$rate")"
  echo "      bytes that host 0 has sent in the whole run: $(($(sent 0) - before))"
done
rate none

echo "two hosts, 2 + 2 processes, tempflow launch"
launched even 2 --set optimizer.micro_batch=24
finish
check "both launchers end with 0" ended_well "$output"/even-{0,1}.txt
check "the result of one process" same "$output/one-24" "$output/even"

echo "two hosts, 2 + 2 processes, the link is down for 5 seconds of epoch 2"
launched blink 2 --set optimizer.micro_batch=24
wait_for_epoch blink "$output/blink-0.txt"
ip -n "${namespaces[1]}" link set link1 down
sleep 5
ip -n "${namespaces[1]}" link set link1 up
finish
check "both launchers end with 0" ended_well "$output"/blink-{0,1}.txt
check "the result of one process" same "$output/one-24" "$output/blink"
echo "      seconds of the epochs: $(epoch_seconds "$output/blink")"

echo "two hosts, 1 + 1 processes, whose names stand for 127.0.1.1, --timeout 15"
names_file=$output/loopback-names
began=$(date +%s.%N)
launched loopback 1 --set optimizer.micro_batch=24 --timeout 15
finish
for host in 0 1; do ending loopback "$host" "$began" "Error|tempflow launch"; done
check "both launchers fail" ended_badly "$output"/loopback-{0,1}.txt
for host in 0 1; do check "host $host names the remedy" grep -q GLOO_SOCKET_IFNAME "$output/loopback-$host.txt"; done
echo "the same with GLOO_SOCKET_IFNAME"
interfaces=set
launched interface 1 --set optimizer.micro_batch=24
finish
check "both launchers end with 0" ended_well "$output"/interface-{0,1}.txt
check "the result of one process" same "$output/one-24" "$output/interface"
interfaces=
names_file=$output/names

echo "two hosts, 2 + 2 processes, the link is cut in epoch 2, --timeout $timeout_s"
launched cut 2 --set optimizer.micro_batch=24 --set checkpoints.every=1 --timeout $timeout_s
wait_for_epoch cut "$output/cut-0.txt"
sleep 1
ip -n "${namespaces[1]}" link set link1 down
cut=$(date +%s.%N)
finish
for host in 0 1; do ending cut "$host" "$cut" "Error|tempflow launch"; done
check "both launchers fail" ended_badly "$output"/cut-{0,1}.txt
check "host 0 names the ranks that it lost" grep -qE 'ranks 2 \(.*, 3 \(.* no longer answer' "$output/cut-0.txt"
check "host 1 names the store that it lost" grep -qE 'rank 0 \(.*keeps the store .* no longer answers' "$output/cut-1.txt"
for host in 0 1; do check "host $host ends within 40 s" ended_within 40 "$cut" "$output/cut-$host.txt"; done
ip -n "${namespaces[1]}" link set link1 up
"$tempflow" "${train[@]}" --set optimizer.micro_batch=24 --set checkpoints.every=1 --resume --run-dir "$output/cut" \
  > "$output/cut-resumed.txt" 2>&1
check "one process resumes the cut run to the result of one process" same "$output/one-24" "$output/cut"

echo "$failures failed"
[ "$failures" = 0 ]
