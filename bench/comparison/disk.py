# SPDX-License-Identifier: Apache-2.0
"""What the disk under a file delivers: direct reads of it, in order and around its end, with as many in flight as is best
for it (one that is shared or virtual may slow down with more)."""
import mmap
import os
import threading
import time

BLOCK = 2 << 20
IN_FLIGHT = (1, 2, 4)


def direct_read_rate(path, seconds=1.5):
    """The best rate in bytes a second past the page cache; None where the file system knows no direct reads."""
    rates = [rate_with(path, seconds / len(IN_FLIGHT), in_flight) for in_flight in IN_FLIGHT]
    return None if None in rates else max(rates)


def rate_with(path, seconds, in_flight):
    try:
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_DIRECT", 0))
    except OSError:
        return None
    n_blocks = os.fstat(fd).st_size // BLOCK
    state = {"next": 0, "bytes": 0, "failed": n_blocks == 0}
    lock = threading.Lock()
    begin = time.monotonic()

    def read():
        buffer = mmap.mmap(-1, BLOCK)  # page-aligned, as direct reads want it
        while time.monotonic() - begin < seconds and not state["failed"]:
            with lock:
                block, state["next"] = state["next"] % n_blocks, state["next"] + 1
            try:
                n = os.preadv(fd, [buffer], block * BLOCK)
            except OSError:
                state["failed"] = True
                return
            with lock:
                state["bytes"] += n

    threads = [threading.Thread(target=read) for _ in range(in_flight)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - begin
    os.close(fd)
    return None if state["failed"] else state["bytes"] / took
