/* SPDX-License-Identifier: Apache-2.0 */
/* The least a program does with an installed libkafscale. */
#include <kafscale/kafscale.h>

#include <stdio.h>

static int
start_and_stop(const struct kafscale_options *options)
{
    struct kafscale_error error = { KAFSCALE_OK, "" };
    struct kafscale_broker *broker = kafscale_broker_new(options, &error);
    int is_ready = 0;

    if (broker != NULL && kafscale_broker_start(broker, NULL, &error) == KAFSCALE_OK) {
        is_ready = kafscale_broker_wait_ready(broker, 10000, &error) == KAFSCALE_OK;
    }
    printf("kafscale %s on port %u: %s\n", kafscale_version(),
           is_ready ? (unsigned) kafscale_broker_port(broker) : 0u,
           is_ready ? "ready" : error.text);
    kafscale_broker_free(broker);
    return is_ready ? 0 : 1;
}

int
main(void)
{
    struct kafscale_options *options = kafscale_options_new();
    int result = 1;

    if (options != NULL && kafscale_options_set(options, "listen", "127.0.0.1:0", NULL) == 0 &&
        kafscale_options_set(options, "store", "memory", NULL) == 0) {
        result = start_and_stop(options);
    }
    kafscale_options_free(options);
    return result;
}
