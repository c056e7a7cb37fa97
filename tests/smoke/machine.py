"""QEMU's machine for the image: a card, a network that leads to this computer alone, and a USB port."""

import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

# Seconds QEMU has to answer on its control socket.
ANSWER = 60
# Seconds that a command typed at the console may take, on an emulated processor.
COMMAND = 180
# Where the box listens, inside: the owner's page, the public page and tracker, peers.
PORTS = {"page": 80, "public": 6880, "peers": 6881}


class Failed(Exception):
    """The image did not do its part; the message says which."""


def free_port():
    """A port of this computer's that nobody has. It is asked for by binding it."""
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return asked.getsockname()[1]


class Machine:
    """A machine that was just switched on. Leaving it cuts its power."""

    def __init__(self, work, card, bios):
        self.work, self.started = work, time.monotonic()
        self.ports = {name: free_port() for name in PORTS}
        self.console_log = os.path.join(work, "console")
        # No way out but to this computer: `restrict` keeps the box off the network that this computer has.
        forwards = "".join(f",hostfwd=tcp:127.0.0.1:{self.ports[name]}-:{inside}" for name, inside in PORTS.items())
        sockets = {name: os.path.join(work, name + ".socket") for name in ("qmp", "serial")}
        for path in sockets.values():
            if os.path.exists(path):
                os.remove(path)
        with open(os.path.join(work, "qemu"), "wb") as log:
            self.process = subprocess.Popen(
                ["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a53", "-smp", "2", "-m", "512", "-display", "none",
                 "-no-reboot", "-bios", bios,
                 "-drive", f"if=none,id=card,format=raw,file={card}", "-device", "virtio-blk-pci,drive=card,id=card-slot",
                 "-netdev", f"user,id=home,restrict=on{forwards}", "-device", "virtio-net-pci,netdev=home,romfile=",
                 "-device", "qemu-xhci,id=usb", "-device", "i6300esb", "-watchdog-action", "reset",
                 "-chardev", f"socket,id=serial,path={sockets['serial']},server=on,wait=off,logfile={self.console_log},logappend=off",
                 "-serial", "chardev:serial", "-qmp", f"unix:{sockets['qmp']},server=on,wait=off", "-monitor", "none"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self.qmp = self.connect(sockets["qmp"]).makefile("rw", encoding="utf-8")
        self.serial = self.connect(sockets["serial"])
        threading.Thread(target=self.drain, daemon=True).start()
        self.qmp.readline()
        self.tell("qmp_capabilities")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.cut_power()

    def connect(self, path):
        end = time.monotonic() + ANSWER
        while True:
            self.check()
            one = socket.socket(socket.AF_UNIX)
            try:
                one.settimeout(ANSWER)
                one.connect(path)
                return one
            except OSError:
                one.close()
                if time.monotonic() > end:
                    raise Failed("QEMU takes no commands") from None
                time.sleep(0.05)

    def drain(self):
        """Takes what the console says, which is in the log already: the box would wait for whoever does not read."""
        self.serial.settimeout(None)
        try:
            while self.serial.recv(65536):
                pass
        except OSError:
            pass

    def tell(self, command, **arguments):
        """Has QEMU do something."""
        self.qmp.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.qmp.flush()
        while True:
            line = self.qmp.readline()
            if not line:
                raise Failed("QEMU hung up")
            answer = json.loads(line)
            if "error" in answer:
                raise Failed(f"QEMU: {command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]

    def plug(self, image):
        """Puts a USB stick in, which is that file."""
        self.tell("blockdev-add", **{"driver": "raw", "node-name": "stick", "read-only": True,
                                     "file": {"driver": "file", "filename": image}})
        self.tell("device_add", driver="usb-storage", id="stick-port", drive="stick", bus="usb.0", removable=True)

    def written(self):
        """Bytes written to the card, and in how many orders, since it was switched on."""
        for disk in self.tell("query-blockstats"):
            if "card-slot" in disk.get("qdev", ""):
                return disk["stats"]["wr_bytes"], disk["stats"]["wr_operations"]
        raise Failed("QEMU knows of no card")

    def console(self):
        """What it has shown since it was switched on."""
        with open(self.console_log, encoding="utf-8", errors="replace") as log:
            return log.read()

    def check(self):
        """Fails when the machine is off."""
        if self.process.poll() is not None:
            with open(os.path.join(self.work, "qemu"), encoding="utf-8", errors="replace") as log:
                raise Failed(f"the machine is off, which nobody asked for: {log.read()}")

    def wait(self, what, seconds, look):
        """Looks again and again until there is something to see, and gives that and how long it took."""
        begun = time.monotonic()
        while time.monotonic() - begun < seconds:
            self.check()
            seen = look()
            if seen:
                return seen, time.monotonic() - begun
            time.sleep(0.1)
        raise Failed(f"{what}: not within {seconds} s")

    def run(self, command):
        """Types a command at the console of a developer build, where root needs no password; gives what it printed."""
        # The end is put together by the shell, so that the echo of what is typed is not taken for it. Lines of the kernel
        # in between stay.
        seen = len(self.console())
        self.serial.sendall(f"echo beg''in; {command}; echo e''nd\n".encode())

        def over():
            return re.search(r"\nbegin\r*\n(.*?)\r*\n?end\r*\n", self.console()[seen:], re.DOTALL)
        found, _ = self.wait(f"in the box: {command}", COMMAND, over)
        return found[1].replace("\r", "")

    def log_in(self, seconds):
        """Logs in at the console of a developer build."""
        self.wait("the console asks who it is", seconds, lambda: "login: " in self.console())
        self.serial.sendall(b"root\n")
        self.wait("root is in", seconds, lambda: re.search(r"login: .*\n(.*\n)*.*# ", self.console()))

    def wait_restart(self, seconds):
        """Waits until the box starts itself again, which ends this machine: the next one goes on from its card."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failed(f"the box does not start again within {seconds} s") from None

    def cut_power(self):
        """Ends it at once, as a plug that is pulled does. Its card has what was written to it."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
