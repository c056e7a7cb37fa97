"""What crosses a link, written down second by second, and what can be said of it beside a cap."""

import bisect
import threading
import time

# Seconds between two samples.
STEP = 0.05


class Meter:
    """Samples the bytes of IP that an origin sends, until it is closed."""

    def __init__(self, net):
        self.net, self.times, self.bytes, self.ended = net, [], [], threading.Event()
        self.thread = threading.Thread(target=self.sample)
        self.thread.start()

    def sample(self):
        while not self.ended.wait(STEP):
            # The time is taken before and after, so that a sample is as old as its time says.
            before = time.monotonic()
            sent = self.net.sent()[0]
            self.times.append((before + time.monotonic()) / 2)
            self.bytes.append(sent)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()

    def at(self, when):
        """Bytes sent until then, between samples in proportion."""
        after = bisect.bisect_left(self.times, when)
        if after == 0 or after == len(self.times):
            return self.bytes[min(after, len(self.bytes) - 1)]
        (t0, t1), (b0, b1) = self.times[after - 1:after + 1], self.bytes[after - 1:after + 1]
        return b0 + (b1 - b0) * (when - t0) / (t1 - t0)

    def rate(self, begin, end):
        return (self.at(end) - self.at(begin)) / (end - begin)

    def windows(self, begin, end, length):
        """The least and the highest rate over any `length` seconds between the two."""
        starts = [begin] + [when for when in self.times if begin < when < end - length] + [end - length]
        rates = [self.rate(start, start + length) for start in starts]
        return min(rates), max(rates)

    def begins(self, rate):
        """When it first sends a tenth of `rate` over a quarter of a second; None when it never does."""
        return next((when for when in self.times[:-5] if self.rate(when, when + 0.25) > rate / 10), None)

    def obeys(self, changed, until, cap, within):
        """Seconds after `changed` from which on every second keeps to `cap`, within that part of it; None: never."""
        late = [when for when in self.times if changed <= when <= until - 1 and abs(self.rate(when, when + 1) / cap - 1) > within]
        if not late:
            return 0.0
        return None if late[-1] >= until - 1 - 2 * STEP else late[-1] + STEP - changed
