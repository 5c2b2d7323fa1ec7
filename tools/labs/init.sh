#!/bin/sh
# The lab's first process: drivers, simulated hardware, network, agents. It runs in busybox.
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
. /etc/lab

for name in $(cat /modules/order); do
    case $name in
        scsi_debug.ko) insmod /modules/$name ptype=1 dev_size_mb=8 max_luns=1 ;;
        i2c_stub.ko) insmod /modules/$name chip_addr=0x48 ;;
        softdog.ko) insmod /modules/$name soft_margin=60 ;;
        *) insmod /modules/$name ;;
    esac || echo "lab: $name was not loaded"
done

mount -t configfs configfs /sys/kernel/config
chip=/sys/kernel/config/gpio-sim/lab
[ -d ${chip%/lab} ] && mkdir -p $chip/bank0 && echo 8 > $chip/bank0/num_lines && echo limpet > $chip/bank0/label
mkdir -p $chip/bank0/line3 && echo button > $chip/bank0/line3/name && echo 1 > $chip/live

# A chip on SPI is for programs, whatever driver its device tree wants.
for chip in /sys/bus/spi/devices/*; do
    [ -e $chip ] || continue
    echo spidev > $chip/driver_override
    echo ${chip##*/} > /sys/bus/spi/drivers/spidev/bind
done

ip link set lo up
ip link set eth0 up
ip addr add 10.0.2.15/24 dev eth0
ip route add default via 10.0.2.2

if [ -n "$HAS_FILES" ]; then
    mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=262144,cache=loose host /mnt ||
        echo "lab: this machine's files cannot be seen"
    for place in dev proc sys; do mount --bind /$place /mnt/$place; done
    mount -t configfs configfs /mnt/sys/kernel/config
    # What the agents write goes over a folder that every Debian has and nobody works in: over /tmp
    # it would hide a checkout that stands there.
    mount -t tmpfs tmpfs /mnt/media
    cp /etc/*.json /mnt/media
fi

# The bridge that bridge.py makes, and the chips behind it; "$@" runs it.
plug_bridge() {
    [ -e /dev/uhid ] || return
    "$@" > /dev/console 2>&1 &
    for turn in $(seq 100); do
        bus=$(grep -ls MCP2221 /sys/bus/i2c/devices/i2c-*/name) && break
        sleep 0.1
    done
    echo ads1015 0x49 > ${bus%/name}/new_device
    echo ds2482 0x18 > ${bus%/name}/new_device
    for turn in $(seq 100); do
        [ $(ls /sys/bus/w1/devices | grep -c 28-) = 2 ] && break
        sleep 0.1
    done
}

echo "lab: ready after $(cut -d' ' -f1 /proc/uptime) s"
if [ -n "$SHELL_ASKED" ]; then
    echo "lab: a shell of the guest; the host's files are in /mnt, read-only. Ctrl-A X ends it."
    setsid cttyhack sh
    poweroff -f
fi
# A finger on line 3 of the chip.
pull=$(echo /sys/devices/platform/gpio-sim.*/gpiochip*/sim_gpio3/pull)
[ -e "$pull" ] && while true; do
    for way in pull-up pull-down; do echo $way > $pull; sleep 0.3; done
done &
first=${AGENTS%% *}
if [ -n "$HAS_FILES" ]; then
    plug_bridge chroot /mnt ${first#*=} $ROOT/tools/labs/bridge.py
else
    ln -s ${first%%=*} /bin/bridge  # a name of its own: what agents take is asked by name
    plug_bridge /bin/bridge --python /tools/labs/bridge.py
fi
# A board's keys need lines whose chips may have come later: then their driver has given up.
keys=/sys/bus/platform/devices/gpio-keys
[ ! -e $keys ] || [ -e $keys/driver ] || echo gpio-keys > /sys/bus/platform/drivers/gpio-keys/bind
for agent in $AGENTS; do
    [ -n "$CHECKS" -a -z "$HAS_FILES" ] || break
    cd / && LIMPET_LAB=1 TMPDIR=/run /bin/${agent%%=*} --python -X heapsize=2m tests/run.py --frozen $CHECKS \
        > /dev/console 2>&1
    echo "lab: checked ${agent%%=*}, status $?"
done
[ -z "$HAS_FILES" ] && for agent in $AGENTS; do
    name=${agent%%=*}
    (
        ulimit -v $LIMIT_KIB
        echo "lab: $name starts at $(cut -d' ' -f1 /proc/uptime)"
        # Again whenever it ends, as a service manager would: an update asks for that.
        while true; do
            /bin/$name $OPTIONS --config /etc/$name.json 2>&1 | while read -r line; do
                echo "$(cut -d' ' -f1 /proc/uptime) $line"
            done
            echo "lab: $name ended"
        done
    ) &
done
# What each agent takes, now and then.
[ -z "$HAS_FILES" ] && while true; do
    sleep 5
    for agent in $AGENTS; do
        name=${agent%%=*}
        echo "lab: takes $name" $(grep -E "^(VmPeak|VmSize|VmRSS|RssFile|RssAnon)" /proc/$(pidof $name)/status)
    done
done
[ -n "$HAS_FILES" ] || while true; do sleep 1000; done
chroot /mnt ${first#*=} $ROOT/tools/labs/uinput_keys.py > /dev/console 2>&1 &
for agent in $AGENTS; do
    [ -n "$CHECKS" ] || break
    chroot /mnt /bin/sh -c "cd $ROOT && LIMPET_LAB=1 TMPDIR=/media ${agent#*=} tests/run.py $CHECKS" \
        > /dev/console 2>&1
    echo "lab: checked ${agent%%=*}, status $?"
done
[ -z "$CHECKS" ] || poweroff -f
for agent in $AGENTS; do
    name=${agent%%=*}
    (cd /mnt && chroot /mnt /bin/sh -c "cd $ROOT && exec ${agent#*=} -m agent --config /media/$name.json" \
        > /dev/console 2>&1; echo "lab: $name ended") &
done
while true; do sleep 1000; done
