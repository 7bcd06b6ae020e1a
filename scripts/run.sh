# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# ./dev run: one broker, and a text that goes through it and comes back the same.

RUN_PORT=9092
RUN_DIR=build/run
BROKER=127.0.0.1:$RUN_PORT
broker_pid=''

# The text is standard input, where somebody sends one (a first byte within 3 s), else the licences on this machine.
take_text() {
    local text=$1
    : >"$text"
    if [ -p /dev/stdin ] || [ -f /dev/stdin ]; then
        timeout 3 dd bs=1 count=1 status=none of="$text" || true
        [ ! -s "$text" ] || cat >>"$text"
    fi
    if [ -s "$text" ]; then
        say "taking the text from standard input"
    elif cat /usr/share/common-licenses/* >"$text" 2>/dev/null && [ -s "$text" ]; then
        say "taking the licences below /usr/share/common-licenses as the text"
    else
        say "taking LICENSE as the text"
        cp LICENSE "$text"
    fi
}

start_broker() {
    local i log=$RUN_DIR/broker.log
    say "build/brokerd --node-id=b1 --data-dir=data --bind-port=$RUN_PORT"
    build/brokerd --node-id=b1 --data-dir=data --bind-port=$RUN_PORT </dev/null 2> >(tee "$log" >&2) &
    broker_pid=$!
    trap stop_broker EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    for ((i = 0; i < 600; i++)); do
        ! grep -q ready "$log" 2>/dev/null || return 0
        kill -0 "$broker_pid" 2>/dev/null || break
        sleep 0.05
    done
    die "the broker did not get ready; it says why above"
}

# Asks the broker to end and takes over its status where all went well until here.
stop_broker() {
    local status=$?
    trap - EXIT INT TERM
    [ -n "$broker_pid" ] || exit "$status"
    kill -TERM "$broker_pid" 2>/dev/null || true
    wait "$broker_pid" || [ "$status" -ne 0 ] || status=$?
    exit "$status"
}

# Writes "BYTES bytes, sha256 SUM" of a file.
describe() {
    printf '%s bytes, sha256 %s\n' "$(stat -c %s "$1")" "$(sha256sum <"$1" | cut -d' ' -f1)"
}

# Sends the text in records of at most 4 KiB of whole lines (kcat would drop empty lines, so each piece is a file).
round_trip() {
    local topic=$1 text=$RUN_DIR/text back=$RUN_DIR/back pieces=$RUN_DIR/pieces
    rm -rf "$pieces"
    mkdir -p "$pieces"
    split -a 6 -C 4096 "$text" "$pieces/"
    find "$pieces" -type f | sort | timeout 600 xargs -r kcat -P -b $BROKER -t "$topic" -p 0 -X acks=all ||
        die "kcat could not send the text"
    timeout 600 kcat -C -b $BROKER -t "$topic" -p 0 -o beginning -e -q -D '' >"$back" ||
        die "kcat could not read the text back"
    echo
    echo "topic     $topic, $(find "$pieces" -type f | wc -l) records"
    echo "sent      $(describe "$text")"
    echo "read back $(describe "$back")"
    cmp "$text" "$back" || die "what was read back is not what was sent"
    echo "equal, byte for byte; every record was on disk before it was acknowledged"
    rm -rf "$pieces"
}

what_next() {
    cat <<EOF

The broker runs on $BROKER, its data is in ./data. Type in another terminal:

  echo hello | kcat -P -b $BROKER -t greetings
  kcat -C -b $BROKER -t greetings -e
  build/gqctl topic list
  build/gqctl cluster status
  curl http://$BROKER/health

Ctrl-C stops it; a next ./dev run finds all of it again.
EOF
}

cmd_run() {
    local demo=''
    case "${1-}" in
    '') ;;
    --demo) demo=yes ;;
    *) die "run: there is no option '$1'" ;;
    esac
    need build run
    build_tree plain >&2
    mkdir -p "$RUN_DIR"
    rm -f "$RUN_DIR/broker.log"
    take_text "$RUN_DIR/text"
    start_broker
    round_trip "demo-$(date +%Y%m%d-%H%M%S)"
    if [ -n "$demo" ]; then
        exit 0
    fi
    what_next
    trap 'exit 0' INT TERM
    wait "$broker_pid"
}
