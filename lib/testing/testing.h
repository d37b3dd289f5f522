/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The door of testing: what a broker has besides when it is there to be tested. Nothing of it is
 * in the way of a broker that isn't.
 */
#ifndef KS_TESTING_TESTING_H
#define KS_TESTING_TESTING_H

#include "testing/interceptor.h"
#include "testing/mirror.h"
#include "testing/request_log.h"
#include "testing/rules.h"

#endif
