"""One program that a bench runs: started, measured from outside, and ended with the bench whatever happens to it."""

import ctypes
import os
import resource
import signal
import subprocess
import time

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)

# Seconds a program has to end by itself once it was told to.
PATIENCE = 10


class Failed(Exception):
    """A program did not do its part; the message says which, and shows the end of its log."""


def die_with_parent():
    """Runs between fork and exec: the kernel ends the child when the bench dies, even by SIGKILL."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def allow_many_files():
    """A thousand torrents or five hundred connections need more descriptors than a shell is given."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


class Program:
    """A running program. `within` is put before the command, to run it in a network namespace; its last step must be exec."""

    def __init__(self, command, log, within=(), cwd=None, env=None, talks=False):
        self.name, self.log = os.path.basename(command[0]), log
        with open(log, "ab") as out:
            # A session of its own: Ctrl-C reaches the bench alone, which then ends the programs in order.
            self.process = subprocess.Popen(
                [*within, *map(str, command)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE if talks else out, stderr=out,
                cwd=cwd, env={**os.environ, **(env or {})}, text=True, start_new_session=True, preexec_fn=die_with_parent)
        self.pid, self.lines = self.process.pid, self.process.stdout

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def alive(self):
        return self.process.poll() is None

    def check(self):
        if not self.alive():
            raise self.failed(f"ended with status {self.process.returncode}")

    def failed(self, why):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return Failed(f"{self.name}: {why}\n{log.read()[-2000:]}")

    def line(self):
        """The next line it prints; fails when it ends instead."""
        line = self.lines.readline()
        if not line:
            self.process.wait()
            self.check()
        return line.rstrip("\n")

    def wait(self, what, ready, bound=60, step=0.1):
        """Waits until `ready()` gives something."""
        deadline = time.monotonic() + bound
        while not (got := ready()):
            self.check()
            if time.monotonic() > deadline:
                raise self.failed(f"{what}: not within {bound} s")
            time.sleep(step)
        return got

    def stop(self):
        if self.alive():
            self.process.terminate()
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.lines:
            self.lines.close()

    def cpu(self):
        """Processor seconds so far, of all its threads, those that ended included."""
        # The kernel's clock of another process (clock_getcpuclockid): nanoseconds, where /proc has ticks.
        return time.clock_gettime((~self.pid << 3) | 2)

    def status(self, field):
        """A figure of /proc/PID/status, bytes."""
        with open(f"/proc/{self.pid}/status", encoding="ascii", errors="replace") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith(field + ":"))

    def rss(self):
        return self.status("VmRSS")

    def peak(self):
        return self.status("VmHWM")

    def forget_peak(self):
        """From here on `peak` means what is held from here on."""
        with open(f"/proc/{self.pid}/clear_refs", "w", encoding="ascii") as file:
            file.write("5")

    def files(self):
        """How many descriptors it has open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def settle(self, bound=120):
        """Waits until it has nothing left to do: three seconds in a row under 2 % of a processor."""
        deadline, quiet, before = time.monotonic() + bound, 0, self.cpu()
        while quiet < 3 and time.monotonic() < deadline:
            time.sleep(1)
            self.check()
            now = self.cpu()
            quiet, before = (quiet + 1 if now - before < 0.02 else 0), now
        return quiet >= 3
