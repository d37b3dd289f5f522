/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The door of client: producers and consumers inside the broker's process. They are ordinary
 * clients of the handlers, without sockets; no promise is made to them that others don't have.
 */
#ifndef KS_CLIENT_CLIENT_H
#define KS_CLIENT_CLIENT_H

#include "client/ask.h"
#include "client/membership.h"
#include "client/reader.h"
#include "client/sender.h"

#endif
