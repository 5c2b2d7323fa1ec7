#!/bin/busybox sh
# What limpetd, as the guest's first process, runs once: drivers, addresses, and a process that is
# left over, for it to take note of.
b=/bin/busybox
for name in $($b cat /modules/order); do $b insmod /modules/$name; done
$b ip link set lo up
$b ip link set eth0 up
$b ip addr add 10.0.2.15/24 dev eth0
$b ip route add default via 10.0.2.2
($b sleep 1 &)
(
    while true; do
        $b sleep 3
        echo "lab: zombies $($b ps -o stat | $b grep -c Z), agents $($b pidof first | $b wc -w)"
    done
) &
