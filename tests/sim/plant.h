/* SPDX-License-Identifier: Apache-2.0 */
/* Planted faults (base/planted.h) by the names that command lines use. */
#ifndef KS_TESTS_SIM_PLANT_H
#define KS_TESTS_SIM_PLANT_H

#include <stdbool.h>

/* Breaks the rule of this name; false, with a message, when this build has none of this name. */
bool plant(const char *name);

#endif
