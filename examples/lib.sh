# For the `run` scripts of the examples, sourced with the example's name and, if given, the directory of its executable;
# without one, it is built. One process without a broker (`--embedded`), which may be killed and started again.
#   bin, work       directory of the executable; of what the run leaves, removed at its end
#   start OUT       starts it on $work/jobs.ndjson; its results go to $work/OUT. Its process ID: pid
#   interrupt       kill -9; fails if it has ended by then
#   finish          waits for its end, of itself
#   ended OUT ID    whether that instance has ended
#   output OUT ID   what it completed with, as JSON; nothing otherwise
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

example=$1
if [ $# -gt 1 ]; then
    bin=$2
else
    swift build -c release --product "$example"
    bin=$(swift build -c release --show-bin-path)
fi
work=$(mktemp -d)
pid=
cleanup() {
    [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

start() {
    "$bin/$example" --embedded "$work/hub" --submit "$work/jobs.ndjson" --slots 16 >"$work/$1" &
    pid=$!
}
alive() { kill -0 "$pid" 2>/dev/null; }
interrupt() {
    if ! alive; then
        echo "$example ended before it was to be killed" >&2
        exit 1
    fi
    kill -KILL "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
    pid=
}
finish() {
    wait "$pid"
    pid=
}
ended() { grep -q "^{\"id\":\"$2\"," "$work/$1" 2>/dev/null; }
output() { sed -n "s/^{\"id\":\"$2\",\"status\":\"completed\",\"output\":\(.*\),\"failure\":null}\$/\1/p" "$work/$1"; }

# Fails, with both, unless two texts are the same.
expect() {
    if [ "$2" != "$3" ]; then
        printf '%s: expected %s, got %s\n' "$1" "$2" "$3" >&2
        exit 1
    fi
}
