#!/usr/bin/env bash
# One private RabbitMQ node for tests and demos: own node name, data directory, epmd and loopback ports.
# Nothing of it listens beyond 127.0.0.1, and nothing is left when it was stopped.
#
#   broker.sh install [PACKAGE...] install the Debian packages that are missing, these too (root or sudo)
#   broker.sh start DIR [PORT]     start a node that keeps everything in DIR; waits until AMQP answers
#   broker.sh cluster DIR          start a cluster of three nodes in DIR/1, DIR/2 and DIR/3; also after it was stopped
#   broker.sh stop DIR             stop that node or cluster and its epmd; DIR/env goes, the data stays
#   broker.sh kill DIR             the same with SIGKILL, as a crash would
#   broker.sh ctl DIR ARGUMENTS    rabbitmqctl for that node
#
# A node of a cluster, DIR/2, is killed, stopped and started like a single one.
#
# `start` writes DIR/env: DTQ_TEST_AMQP_URL, DTQ_TEST_MANAGEMENT_URL, DTQ_TEST_BROKER_DIR, DTQ_TEST_BROKER_PID.
# A script may also source this file and call the broker_* functions.

broker_scripts=/usr/lib/rabbitmq/bin # the wrappers in /usr/sbin change user and directory
broker_packages=(rabbitmq-server librabbitmq-dev libsqlite3-dev zlib1g-dev pkg-config)

broker_say() { printf 'broker: %s\n' "$*" >&2; }

# --- install ------------------------------------------------------------------------------------------------------

broker_missing_packages() {
    local package
    for package in "${broker_packages[@]}"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' || printf '%s\n' "$package"
    done
}

# Process ids of brokers and port mappers that run as the packages' own user.
broker_package_processes() {
    local user directory name
    user=$(id -u rabbitmq 2>/dev/null) || return 0
    for directory in /proc/[0-9]*; do
        read -r name 2>/dev/null <"$directory/comm" || continue
        case "$name" in epmd | beam.smp) ;; *) continue ;; esac
        [ "$(stat -c %u "$directory" 2>/dev/null)" = "$user" ] && printf '%s\n' "${directory#/proc/}"
    done
    return 0
}

# The package's start script would put a broker on all interfaces, and its set-up leaves an epmd behind.
broker_install() (
    set -eu
    missing=$(broker_missing_packages)
    if [ -z "$missing" ]; then
        broker_say "packages are installed already: ${broker_packages[*]}"
        return 0
    fi
    command -v apt-get >/dev/null || {
        broker_say "no apt-get here; install by hand: ${missing//$'\n'/ }"
        return 1
    }
    root=()
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || {
            broker_say "missing: ${missing//$'\n'/ }. Run 'apt-get install ${missing//$'\n'/ }' as root, then again."
            return 1
        }
        root=(sudo)
    fi
    before=$(broker_package_processes)
    policy=/usr/sbin/policy-rc.d
    ours=no
    tidy() {
        [ "$ours" = no ] || "${root[@]}" rm -f "$policy"
        local process
        for process in $(broker_package_processes); do
            grep -qx "$process" <<<"$before" || "${root[@]}" kill "$process" 2>/dev/null || true
        done
    }
    trap tidy EXIT
    if [ ! -e "$policy" ]; then
        ours=yes
        printf '#!/bin/sh\nexit 101\n' | "${root[@]}" tee "$policy" >/dev/null
        "${root[@]}" chmod 755 "$policy"
    fi
    broker_say "installing ${missing//$'\n'/ }"
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq
    # shellcheck disable=SC2086  # one word a package
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >&2
)

# --- ports and processes ------------------------------------------------------------------------------------------

# True when no socket of this machine uses the port, in whatever state.
broker_port_is_free() {
    local hexadecimal
    printf -v hexadecimal ':%04X' "$1"
    ! awk '{ print $2 }' /proc/net/tcp /proc/net/tcp6 2>/dev/null | grep -q "$hexadecimal\$"
}

# A free loopback port below the range the kernel hands out, other than the arguments.
broker_free_port() {
    local port other
    while :; do
        port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
        broker_port_is_free "$port" || continue
        for other in "$@"; do [ "$port" != "$other" ] || continue 2; done
        printf '%s\n' "$port"
        return 0
    done
}

# True while process $1 lives and $2 stands in its command line: a number may have been given to another since.
broker_is_running() {
    [ -n "${1:-}" ] && [ -r "/proc/$1/cmdline" ] && tr '\0' ' ' 2>/dev/null <"/proc/$1/cmdline" | grep -qF -- "$2"
}

# Sends signal $3 to process $1 ($2 in its command line) and waits; SIGKILL when it has not ended after 20 s.
broker_end() {
    local waited=0
    broker_is_running "$1" "$2" || return 0
    kill "-$3" "$1" 2>/dev/null || return 0
    while broker_is_running "$1" "$2"; do
        sleep 0.1
        waited=$((waited + 1))
        [ "$waited" -ne 200 ] || kill -KILL "$1" 2>/dev/null || true
    done
}

# True when the broker on port $1 answers a protocol header with a frame.
broker_answers() (
    exec 2>/dev/null
    exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
    printf 'AMQP\0\0\011\001' >&3
    IFS= read -r -N 1 -t 2 type <&3 && [ "$type" = $'\001' ]
)

# --- start and stop -----------------------------------------------------------------------------------------------

# Sets what rabbitmq's own scripts read, for the node in $1.
broker_environment() {
    # shellcheck disable=SC1091
    . "$1/node"
    export HOME="$1/home"
    export RABBITMQ_NODENAME="$node" RABBITMQ_DIST_PORT="$distribution_port"
    export RABBITMQ_MNESIA_BASE="$1/mnesia" RABBITMQ_LOG_BASE="$1/log" RABBITMQ_PID_FILE="$1/broker.pid"
    export RABBITMQ_CONFIG_FILE="$1/rabbitmq.conf" RABBITMQ_ADVANCED_CONFIG_FILE="$1/advanced.config"
    export RABBITMQ_CONF_ENV_FILE=/dev/null RABBITMQ_ENABLED_PLUGINS_FILE="$1/enabled_plugins"
    export ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_PORT="$epmd_port"
    export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1}"
}

# Writes ports, node name, cookie and configuration. An existing data directory keeps its node name: data belongs
# to the name.
broker_configure() {
    local directory=$1 port=${2:-} management distribution epmd node=""
    # shellcheck disable=SC1091
    [ ! -f "$directory/node" ] || node=$(. "$directory/node" && printf '%s' "$node")
    [ -n "$port" ] || port=$(broker_free_port)
    management=$(broker_free_port "$port")
    distribution=$(broker_free_port "$port" "$management")
    epmd=$(broker_free_port "$port" "$management" "$distribution")
    [ -n "$node" ] || node="dtq-$port@localhost"
    mkdir -p "$directory/mnesia" "$directory/log" "$directory/home"
    cat >"$directory/node" <<END
node=$node
port=$port
management_port=$management
distribution_port=$distribution
epmd_port=$epmd
END
    if [ ! -f "$directory/home/.erlang.cookie" ]; then
        (umask 077 && od -An -N16 -tx1 /dev/urandom | tr -d ' \n' >"$directory/home/.erlang.cookie")
        chmod 400 "$directory/home/.erlang.cookie"
    fi
    broker_write_configuration "$directory" "$port" "$management"
}

# Arguments: directory, AMQP port, management port.
broker_write_configuration() {
    cat >"$1/rabbitmq.conf" <<END
listeners.tcp.1 = 127.0.0.1:$2
management.tcp.ip = 127.0.0.1
management.tcp.port = $3
log.console = false
log.file.level = warning
END
    printf '[rabbitmq_management].\n' >"$1/enabled_plugins"
}

broker_start() (
    set -eu
    mkdir -p "$1"
    directory=$(cd "$1" && pwd)
    port=${2:-}
    [ -x "$broker_scripts/rabbitmq-server" ] || {
        broker_say "rabbitmq-server is not installed; run: $0 install"
        exit 1
    }
    if [ -f "$directory/env" ]; then
        # shellcheck disable=SC1091
        . "$directory/env"
        if broker_is_running "$DTQ_TEST_BROKER_PID" "$directory"; then
            broker_say "the broker in $directory runs already (pid $DTQ_TEST_BROKER_PID)"
            exit 0
        fi
        rm -f "$directory/env"
    fi
    for attempt in 1 2 3; do # another process may take a port between our look and the broker's bind
        # Nodes of a cluster know each other by their ports.
        [ -f "$directory/member" ] || broker_configure "$directory" "$port"
        broker_environment "$directory"
        if broker_launch "$directory"; then
            # shellcheck disable=SC1091
            . "$directory/node"
            cat >"$directory/env.new" <<END
export DTQ_TEST_AMQP_URL='amqp://guest:guest@127.0.0.1:$port/'
export DTQ_TEST_MANAGEMENT_URL='http://guest:guest@127.0.0.1:$management_port'
export DTQ_TEST_BROKER_DIR='$directory'
export DTQ_TEST_BROKER_PID='$(cat "$directory/broker.pid")'
END
            mv "$directory/env.new" "$directory/env"
            broker_say "started $node on 127.0.0.1:$port (management $management_port), environment in $directory/env"
            exit 0
        fi
        broker_say "attempt $attempt failed: $(tail -n 3 "$directory/stderr" "$directory/stdout" 2>/dev/null | tr '\n' ' ')"
        broker_halt "$directory" TERM
        [ -z "${2:-}" ] || break
    done
    broker_say "the broker did not start; see $directory/log"
    exit 1
)

# Becomes $@ in a session of its own, with none of the files that this script's caller may watch for its end.
broker_become() {
    local file
    for file in "/proc/$BASHPID/fd"/*; do
        file=${file##*/}
        [ "$file" -le 2 ] || eval "exec $file>&-"
    done
    exec setsid "$@"
}

# Starts the port mapper of a node or cluster.
broker_launch_mapper() {
    local program
    program=$(command -v epmd || ls /usr/lib/erlang/erts-*/bin/epmd 2>/dev/null | head -n 1)
    ERL_EPMD_ADDRESS=127.0.0.1 broker_become "$program" -port "$2" >"$1/epmd.log" 2>&1 </dev/null &
    printf '%s\n' $! >"$1/epmd.pid"
}

# Starts epmd, unless the cluster has one, and the node, and waits until AMQP and management answer. The environment is
# set already.
broker_launch() {
    local directory=$1 tenths=0
    rm -f "$directory/broker.pid"
    [ -f "$directory/member" ] || broker_launch_mapper "$directory" "$epmd_port"
    broker_become "$broker_scripts/rabbitmq-server" >"$directory/stdout" 2>"$directory/stderr" </dev/null &
    printf '%s\n' $! >"$directory/launcher.pid"
    while [ "$tenths" -lt 900 ]; do
        # Our child: its number is its own. What it is called changes while it becomes the server.
        kill -0 "$(cat "$directory/launcher.pid")" 2>/dev/null || return 1
        if [ -s "$directory/broker.pid" ] && broker_answers "$port" \
            && (exec 3<>"/dev/tcp/127.0.0.1/$management_port") 2>/dev/null; then
            return 0
        fi
        sleep 0.1
        tenths=$((tenths + 1))
    done
    return 1
}

# Three nodes that find each other by their configuration, with one port mapper. They must start together: each waits
# for the others.
broker_cluster() (
    set -eu
    mkdir -p "$1"
    directory=$(cd "$1" && pwd)
    if [ ! -f "$directory/mapper-port" ]; then
        ports=()
        while [ "${#ports[@]}" -lt 10 ]; do ports+=("$(broker_free_port "${ports[@]}")"); done
        cookie=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
        for number in 1 2 3; do
            member=$directory/$number
            mkdir -p "$member/mnesia" "$member/log" "$member/home"
            printf 'node=dtq-%s@localhost\nport=%s\nmanagement_port=%s\ndistribution_port=%s\nepmd_port=%s\n' \
                "${ports[number]}" "${ports[number]}" "${ports[number + 3]}" "${ports[number + 6]}" "${ports[0]}" \
                >"$member/node"
            (umask 077 && printf '%s' "$cookie" >"$member/home/.erlang.cookie")
            chmod 400 "$member/home/.erlang.cookie"
            broker_write_configuration "$member" "${ports[number]}" "${ports[number + 3]}"
            {
                printf 'cluster_formation.peer_discovery_backend = classic_config\n'
                for other in 1 2 3; do
                    printf 'cluster_formation.classic_config.nodes.%s = dtq-%s@localhost\n' "$other" "${ports[other]}"
                done
            } >>"$member/rabbitmq.conf"
            # A frozen node is missed after this many seconds, not after 60.
            printf '[{kernel,[{net_ticktime,10}]}].\n' >"$member/advanced.config"
            : >"$member/member"
        done
        printf '%s\n' "${ports[0]}" >"$directory/mapper-port"
    fi
    broker_launch_mapper "$directory" "$(cat "$directory/mapper-port")"
    starts=()
    for number in 1 2 3; do
        broker_start "$directory/$number" &
        starts+=($!)
    done
    status=0
    for start in "${starts[@]}"; do wait "$start" || status=1; done
    exit "$status"
)

# Ends node, its start script and epmd with signal $2, each only if the recorded number is still its own.
broker_halt() {
    local directory=$1 signal=$2 broker="" launcher
    # shellcheck disable=SC1091
    [ ! -f "$directory/node" ] || . "$directory/node"
    # The node removes its pid file when it begins to stop; env keeps the number.
    [ ! -f "$directory/env" ] || broker=$(. "$directory/env" && printf '%s' "$DTQ_TEST_BROKER_PID")
    [ -n "$broker" ] || broker=$(cat "$directory/broker.pid" 2>/dev/null || true)
    broker_end "$broker" "$directory" "$signal"
    launcher=$(cat "$directory/launcher.pid" 2>/dev/null || true)
    broker_end "$launcher" rabbitmq-server "$signal"
    # A node that was ended before it had written its number: it is in its launcher's group.
    [ -z "$launcher" ] || for broker in $(pgrep -g "$launcher" -f "$directory" || true); do
        broker_end "$broker" "$directory" "$signal"
    done
    broker_end "$(cat "$directory/epmd.pid" 2>/dev/null || true)" "-port ${epmd_port:-none}" "$signal"
    rm -f "$directory/env" "$directory/broker.pid" "$directory/launcher.pid" "$directory/epmd.pid"
}

broker_stop() (
    set -eu
    if [ ! -d "$1" ]; then
        broker_say "no such directory: $1"
        exit 1
    fi
    directory=$(cd "$1" && pwd)
    if [ -f "$directory/mapper-port" ]; then
        for number in 1 2 3; do broker_halt "$directory/$number" "${2:-TERM}" & done
        wait
        broker_end "$(cat "$directory/epmd.pid" 2>/dev/null || true)" "-port $(cat "$directory/mapper-port")" TERM
        rm -f "$directory/epmd.pid"
    else
        broker_halt "$directory" "${2:-TERM}"
    fi
)

broker_ctl() (
    set -eu
    directory=$(cd "$1" && pwd)
    shift
    broker_environment "$directory"
    exec "$broker_scripts/rabbitmqctl" -n "$node" "$@"
)

broker_usage() {
    sed -n '2,16s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
    case "${1:-}" in
    install) shift; broker_packages+=("$@"); broker_install ;;
    start) [ $# -ge 2 ] || broker_usage; broker_start "$2" "${3:-}" ;;
    cluster) [ $# -eq 2 ] || broker_usage; broker_cluster "$2" ;;
    stop) [ $# -eq 2 ] || broker_usage; broker_stop "$2" TERM ;;
    kill) [ $# -eq 2 ] || broker_usage; broker_stop "$2" KILL ;;
    ctl) [ $# -ge 3 ] || broker_usage; shift; broker_ctl "$@" ;;
    *) broker_usage ;;
    esac
fi
