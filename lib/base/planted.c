/* SPDX-License-Identifier: Apache-2.0 */
/* The switch of the test-only build. */
#include "base/planted.h"

#ifdef KS_PLANTED_FAULTS
enum ks_planted_fault ks_planted_fault;
#endif
