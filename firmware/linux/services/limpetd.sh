#!/bin/sh
# limpetd as a service of BusyBox's init (Buildroot and the like): cp limpetd.sh /etc/init.d/S80limpetd
# The loop starts it again whatever ends it; 75 is an asked-for restart.

DAEMON=/usr/sbin/limpetd
CONFIG=/etc/limpet.json
DATA=/var/lib/limpet
PIDFILE=/run/limpetd.pid

serve() {
    while true; do
        "$DAEMON" --config "$CONFIG" 2>&1 | logger -t limpetd
        sleep 1
    done
}

case "$1" in
    start)
        mkdir -p "$DATA" && cd "$DATA" || exit 1
        start-stop-daemon -S -b -m -p "$PIDFILE" -x "$0" -- serve
        ;;
    stop)
        start-stop-daemon -K -q -p "$PIDFILE"
        killall -q -INT limpetd
        rm -f "$PIDFILE"
        ;;
    restart)
        "$0" stop
        "$0" start
        ;;
    serve) serve ;;
    *)
        echo "usage: $0 start|stop|restart" >&2
        exit 2
        ;;
esac
