/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the service manager is told, in the protocol of sd_notify(3): datagrams to the socket that
 * $NOTIFY_SOCKET names (docs/decisions/0017-telling-systemd.md). Without one nothing is sent.
 */
#ifndef KAFSCALED_NOTIFY_H
#define KAFSCALED_NOTIFY_H

#include <stdint.h>

/*
 * Sends lines of the protocol, "READY=1\nSTATUS=...". A manager that can't be told is a warning in
 * the log, once.
 */
void notify_send(const char *lines);

/*
 * How often the manager wants to hear "WATCHDOG=1" of this process, at the least, and 0 when it
 * doesn't: from $WATCHDOG_USEC and $WATCHDOG_PID.
 */
int64_t notify_watchdog_ms(void);

#endif
