/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The second door of broker, for tools that read and write what brokers keep: the identity of a
 * cluster and the records of topics.
 */
#ifndef KS_BROKER_FORMATS_H
#define KS_BROKER_FORMATS_H

#include "broker/identity.h"
#include "broker/producer_ids.h"
#include "broker/topic_record.h"

#endif
