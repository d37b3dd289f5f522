/* SPDX-License-Identifier: Apache-2.0 */
/* A library that is not ours, for the test of the test. */
int kafscale_other(void);

int
kafscale_other(void)
{
    return 0;
}
