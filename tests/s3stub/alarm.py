# SPDX-License-Identifier: Apache-2.0
"""Waiting until a moment, to the microsecond: asyncio rounds up to whole milliseconds, which is as
much as a broker adds to a PUT. Linux has timers that are files.
"""
import asyncio
import ctypes
import os

CLOCK_MONOTONIC = 1
TFD_NONBLOCK_CLOEXEC = os.O_NONBLOCK | os.O_CLOEXEC
TFD_TIMER_ABSTIME = 1

LIBC = ctypes.CDLL(None, use_errno=True)


class TimerSpec(ctypes.Structure):
    """struct itimerspec: no interval, one moment."""

    _fields_ = (("interval_s", ctypes.c_long), ("interval_ns", ctypes.c_long),
                ("s", ctypes.c_long), ("ns", ctypes.c_long))


def make_timer(moment_s):
    """A file that can be read from this moment of time.monotonic() on."""
    timer = LIBC.timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK_CLOEXEC)
    if timer < 0:
        raise OSError(ctypes.get_errno(), "timerfd_create")
    moment_ns = max(1, int(moment_s * 1e9))  # 0 would stop it
    spec = TimerSpec(0, 0, moment_ns // 10**9, moment_ns % 10**9)
    LIBC.timerfd_settime(timer, TFD_TIMER_ABSTIME, ctypes.byref(spec), None)
    return timer


async def sleep_until(moment_s):
    loop = asyncio.get_running_loop()
    due = loop.create_future()
    timer = make_timer(moment_s)
    try:
        loop.add_reader(timer, lambda: due.done() or due.set_result(None))
        await due
    finally:
        loop.remove_reader(timer)
        os.close(timer)
