"""Passes items through the shim's queues by many threads and accounts for each: nothing lost,
nothing twice, nothing out of order for its producer.

    micropython tests/stress/queue_items.py --items 1000000 --threads 8 --seed 1
    micropython tests/stress/queue_items.py --seconds 3600 --seed 1

Every pass is one of two: `plain`, a bounded queue at full speed; `rough`, queues of random size
with random timeouts, which are shut down at a random moment, at once or not. The seed decides all
but the threads' timing. The status is 1 after a failure, which is printed with the seed.
On a build without the GIL keep to ordinary loads (`--items 50000 --pause-ms 1`): there the
collector itself can free live objects under threads.
"""

import sys
import time

HERE = __file__.rsplit("/", 1)[0] if "/" in __file__ else "."
sys.path[0:0] = [HERE + "/../contract", HERE + "/.."]
sys.path.append(HERE + "/../../compat")

from shim import SHIM, Crew  # noqa: E402 - found through the path set above

threading = SHIM.threading
queue = SHIM.queue

PATIENCE_S = 900  # after which threads that have not ended are taken for stuck
ROUGH_ITEMS = 500  # of each producer in a rough pass


class Chance:
    """Numbers that look random, the same for the same seed everywhere."""

    def __init__(self, seed):
        self._state = (seed * 7919 + 12345) & 0x3FFFFFFF

    def below(self, bound):
        self._state = (self._state * 1103515245 + 12345) & 0x3FFFFFFF
        return (self._state >> 12) % bound


class Account:
    """What came out, by producer. Each item is `(producer, number)` in one int."""

    SHIFT = 22

    def __init__(self, producers, items):
        # One byte for each item: threads write different ones, or find that they do not.
        self._seen = [bytearray(items) for _ in range(producers)]

    def item(self, producer, number):
        return (producer << self.SHIFT) | number

    def receive(self, item, last):
        """Note `item`; `last` is this consumer's latest number of each producer."""
        producer = item >> self.SHIFT
        number = item & ((1 << self.SHIFT) - 1)
        if self._seen[producer][number]:
            raise AssertionError("item %d of producer %d came twice" % (number, producer))
        self._seen[producer][number] = 1
        if number <= last[producer]:
            raise AssertionError(
                "item %d of producer %d came after %d" % (number, producer, last[producer])
            )
        last[producer] = number

    def check(self, accepted, all_of_them):
        """`accepted`: how many items each producer got rid of. Returns how many came."""
        total = 0
        for producer, count in enumerate(accepted):
            came = sum(self._seen[producer])
            total += came
            if sum(self._seen[producer][:count]) != came:
                raise AssertionError("producer %d: an item came that was refused" % producer)
            if all_of_them and came != count:
                raise AssertionError("producer %d: %d of %d came" % (producer, came, count))
        return total


def plain(items, threads, chance, pause_ms):
    """Half of the threads put, half get, one bounded queue."""
    producers = max(1, threads // 2)
    each = items // producers
    account = Account(producers, each)
    channel = queue.Queue(1 + chance.below(100))

    def produce(me):
        for number in range(each):
            channel.put(account.item(me, number))
            if pause_ms and number % 16 == 0:
                time.sleep(pause_ms / 1000)

    def consume():
        last = [-1] * producers
        while True:
            try:
                item = channel.get()
            except queue.ShutDown:
                return
            account.receive(item, last)
            channel.task_done()

    with Crew(threading, PATIENCE_S) as consumers:
        for _ in range(max(1, threads - producers)):
            consumers.start(consume)
        with Crew(threading, PATIENCE_S) as crew:
            for me in range(producers):
                crew.start(produce, me)
        channel.join()
        channel.shutdown()
    return account.check([each] * producers, True)


class Rough:
    """One pass with a random bound, random timeouts, and a shutdown somewhere."""

    def __init__(self, threads, chance, pause_ms):
        self.producers = 1 + chance.below(threads - 1)
        self.consumers = threads - self.producers
        self.account = Account(self.producers, ROUGH_ITEMS)
        self.channel = queue.Queue(chance.below(12))
        self.accepted = [0] * self.producers  # each written by its producer alone
        self.immediate = chance.below(2) == 1
        self.stop_after = chance.below(ROUGH_ITEMS * self.producers)
        self.seeds = [chance.below(1 << 20) for _ in range(threads)]
        self.pause_ms = pause_ms

    def run(self):
        """Returns how many items came."""
        with Crew(threading, PATIENCE_S) as consumers:
            for seed in self.seeds[self.producers :]:
                consumers.start(self.consume, Chance(seed))
            with Crew(threading, PATIENCE_S) as crew:
                for me in range(self.producers):
                    crew.start(self.produce, me, Chance(self.seeds[me]))
            self.channel.shutdown(self.immediate)
        self.channel.join()
        return self.account.check(self.accepted, not self.immediate)

    def produce(self, me, chance):
        while self.accepted[me] < ROUGH_ITEMS:
            try:
                put_somehow(self.channel, self.account.item(me, self.accepted[me]), chance)
            except queue.Full:
                continue
            except queue.ShutDown:
                return
            self.accepted[me] += 1
            if self.pause_ms and chance.below(16) == 0:
                time.sleep(self.pause_ms / 1000)

    def consume(self, chance):
        last = [-1] * self.producers
        count = 0
        while True:
            try:
                item = get_somehow(self.channel, chance)
            except queue.Empty:
                continue
            except queue.ShutDown:
                return
            self.account.receive(item, last)
            self.channel.task_done()
            count += 1
            if count * self.consumers >= self.stop_after:
                self.channel.shutdown(self.immediate)


def put_somehow(channel, item, chance):
    way = chance.below(4)
    if way == 0:
        channel.put_nowait(item)
    elif way == 1:
        channel.put(item)
    else:
        channel.put(item, True, chance.below(4) / 1000)


def get_somehow(channel, chance):
    way = chance.below(4)
    if way == 0:
        return channel.get_nowait()
    if way == 1:
        return channel.get()
    return channel.get(True, chance.below(4) / 1000)


def options_of(arguments):
    """The command line as a dict of ints."""
    options = {"items": 20000, "threads": 8, "seed": 1, "seconds": 0, "pause-ms": 0}
    while arguments:
        name = arguments.pop(0)
        if name in ("-h", "--help") or name[:2] != "--" or name[2:] not in options:
            print(__doc__)
            sys.exit(0 if name in ("-h", "--help") else 2)
        options[name[2:]] = int(arguments.pop(0))
    return options


def main(arguments):
    """Run passes until the items or the seconds are used up; returns the exit status."""
    options = options_of(arguments)
    print("seed %d, %d threads" % (options["seed"], options["threads"]))
    chance = Chance(options["seed"])
    share = min(options["items"], 20000) if options["seconds"] else options["items"]
    totals = {"plain": [0, 0], "rough": [0, 0]}
    start = time.time()
    while True:
        for name, passes in (("plain", plain), ("rough", many_rough)):
            began = time.time()
            try:
                totals[name][0] += passes(share, options["threads"], chance, options["pause-ms"])
            except Exception as error:  # noqa: BLE001 - the finding, with its seed
                print("FAILED in %s, seed %d: %r" % (name, options["seed"], error))
                return 1
            totals[name][1] += time.time() - began
        if time.time() - start >= options["seconds"]:
            break
    for name, (items, seconds) in sorted(totals.items()):
        print("%s: %d items, %.1f s, %d/s" % (name, items, seconds, items / max(seconds, 0.001)))
    return 0


def many_rough(items, threads, chance, pause_ms):
    """Rough passes until a tenth of the items has gone through."""
    done = 0
    while done < items // 10:
        done += Rough(threads, chance, pause_ms).run()
    return done


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
