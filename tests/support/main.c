/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs the suite and prints TAP, so that meson counts each test. CK_FORK=no keeps it in one
 * process for a debugger.
 */
#include "support/main.h"

#include <stdlib.h>

int
main(void)
{
    SRunner *runner = srunner_create(suite_new());
    int failed;

    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
