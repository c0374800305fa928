# SPDX-License-Identifier: Apache-2.0
"""Runs programs and watches them: time to the first byte, memory, caches, a busy neighbour, a cgroup of a size."""
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass

from .figures import Unreadable, parse_under_budget

UNDER_BUDGET = os.path.join(os.path.dirname(__file__), "..", "..", "scripts", "under-budget")


@dataclass
class Ran:
    """What a program did. peak_bytes: its resident set at its largest, files it had mapped included."""
    code: int
    out: str
    err: str
    seconds: float
    first_byte_s: float | None
    peak_bytes: int

    def need(self):
        """Itself, if the program succeeded."""
        if self.code != 0:
            said = (self.err.strip() or self.out).splitlines()
            lines = [line for line in said if line and not line.startswith(("usage", "peak "))]
            raise Unreadable(f"exit status {self.code}: {lines[-1][:200] if lines else 'it said nothing'}")
        return self


def run(argv, timeout_s=900, environment=None):
    """Runs to the end; a program that takes longer than timeout_s is ended with its children and counts as failed (code -9)."""
    begin = time.monotonic()
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env={**os.environ, "LC_ALL": "C.UTF-8", **(environment or {})}, start_new_session=True)

    def end_all():
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    first, out, err = [], [], []

    def read(stream, into, note):
        while chunk := os.read(stream.fileno(), 65536):
            if note and not first:
                first.append(time.monotonic() - begin)
            into.append(chunk)

    readers = [threading.Thread(target=read, args=(process.stdout, out, True)),
               threading.Thread(target=read, args=(process.stderr, err, False))]
    for reader in readers:
        reader.start()
    timer = threading.Timer(timeout_s, end_all)
    timer.start()
    try:
        _, status, usage = os.wait4(process.pid, 0)
    except BaseException:  # Ctrl-C: nothing is left running
        end_all()
        raise
    finally:
        timer.cancel()
    seconds = time.monotonic() - begin
    for reader in readers:
        reader.join()
    process.stdout.close()
    process.stderr.close()
    process.returncode = os.waitstatus_to_exitcode(status)

    def text(parts):
        return b"".join(parts).decode("utf-8", "replace")

    return Ran(process.returncode, text(out), text(err), seconds, first[0] if first else None, usage.ru_maxrss * 1024)


def run_under(budget, argv, timeout_s=900):
    """Runs in a memory cgroup of `budget` bytes; (Ran, peak charged bytes, times the limit was hit)."""
    ran = run([UNDER_BUDGET, str(budget), "--", *argv], timeout_s)
    peak, hits = parse_under_budget(ran.err)
    return ran, peak, hits


def drop_caches(paths):
    """Makes the next read of these files a read of the disk. Dropping all caches needs root; the files' own do not."""
    os.sync()
    for path in paths:
        fd = os.open(path, os.O_RDONLY)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)
    with contextlib.suppress(OSError), open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as switch:
        switch.write("3")


@contextlib.contextmanager
def busy_neighbour():
    """One other process that never rests."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        time.sleep(0.2)
        yield
    finally:
        process.kill()
        process.wait()
