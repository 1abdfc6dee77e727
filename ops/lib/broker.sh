#!/usr/bin/env bash
# One private RabbitMQ node for tests and demos: own node name, data directory, epmd and loopback ports.
# Nothing of it listens beyond 127.0.0.1, and nothing is left when it was stopped.
#
#   broker.sh install              install the Debian packages that are missing (root or sudo)
#   broker.sh start DIR [PORT]     start a node that keeps everything in DIR; waits until AMQP answers
#   broker.sh stop DIR             stop that node and its epmd; DIR/env goes, the data stays
#   broker.sh kill DIR             the same with SIGKILL, as a crash would
#   broker.sh ctl DIR ARGUMENTS    rabbitmqctl for that node
#
# `start` writes DIR/env: DTQ_TEST_AMQP_URL, DTQ_TEST_MANAGEMENT_URL, DTQ_TEST_BROKER_DIR, DTQ_TEST_BROKER_PID.
# A script may also source this file and call the broker_* functions.

broker_scripts=/usr/lib/rabbitmq/bin # the wrappers in /usr/sbin change user and directory
broker_packages=(rabbitmq-server librabbitmq-dev libsqlite3-dev pkg-config)

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
    cat >"$directory/rabbitmq.conf" <<END
listeners.tcp.1 = 127.0.0.1:$port
management.tcp.ip = 127.0.0.1
management.tcp.port = $management
log.console = false
log.file.level = warning
END
    printf '[rabbitmq_management].\n' >"$directory/enabled_plugins"
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
        broker_configure "$directory" "$port"
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

# Starts epmd and the node and waits until AMQP and management answer. The environment is set already.
broker_launch() {
    local directory=$1 tenths=0 program
    rm -f "$directory/broker.pid"
    program=$(command -v epmd || ls /usr/lib/erlang/erts-*/bin/epmd 2>/dev/null | head -n 1)
    setsid "$program" -port "$epmd_port" >"$directory/epmd.log" 2>&1 </dev/null &
    printf '%s\n' $! >"$directory/epmd.pid"
    setsid "$broker_scripts/rabbitmq-server" >"$directory/stdout" 2>"$directory/stderr" </dev/null &
    printf '%s\n' $! >"$directory/launcher.pid"
    while [ "$tenths" -lt 900 ]; do
        broker_is_running "$(cat "$directory/launcher.pid")" rabbitmq-server || return 1
        if [ -s "$directory/broker.pid" ] && broker_answers "$port" \
            && (exec 3<>"/dev/tcp/127.0.0.1/$management_port") 2>/dev/null; then
            return 0
        fi
        sleep 0.1
        tenths=$((tenths + 1))
    done
    return 1
}

# Ends node, its start script and epmd with signal $2, each only if the recorded number is still its own.
broker_halt() {
    local directory=$1 signal=$2 broker=""
    # shellcheck disable=SC1091
    [ ! -f "$directory/node" ] || . "$directory/node"
    # The node removes its pid file when it begins to stop; env keeps the number.
    [ ! -f "$directory/env" ] || broker=$(. "$directory/env" && printf '%s' "$DTQ_TEST_BROKER_PID")
    [ -n "$broker" ] || broker=$(cat "$directory/broker.pid" 2>/dev/null || true)
    broker_end "$broker" "$directory" "$signal"
    broker_end "$(cat "$directory/launcher.pid" 2>/dev/null || true)" rabbitmq-server "$signal"
    broker_end "$(cat "$directory/epmd.pid" 2>/dev/null || true)" "-port ${epmd_port:-none}" "$signal"
    rm -f "$directory/env" "$directory/broker.pid" "$directory/launcher.pid" "$directory/epmd.pid"
}

broker_stop() (
    set -eu
    if [ ! -d "$1" ]; then
        broker_say "no such directory: $1"
        exit 1
    fi
    broker_halt "$(cd "$1" && pwd)" "${2:-TERM}"
)

broker_ctl() (
    set -eu
    directory=$(cd "$1" && pwd)
    shift
    broker_environment "$directory"
    exec "$broker_scripts/rabbitmqctl" -n "$node" "$@"
)

broker_usage() {
    sed -n '2,13s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
    case "${1:-}" in
    install) broker_install ;;
    start) [ $# -ge 2 ] || broker_usage; broker_start "$2" "${3:-}" ;;
    stop) [ $# -eq 2 ] || broker_usage; broker_stop "$2" TERM ;;
    kill) [ $# -eq 2 ] || broker_usage; broker_stop "$2" KILL ;;
    ctl) [ $# -ge 3 ] || broker_usage; shift; broker_ctl "$@" ;;
    *) broker_usage ;;
    esac
fi
