/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that embeds a broker and does nothing else, for tests: unlike the daemon it goes on
 * when its broker has ended. Options are key=value; it ends when its standard input does.
 */
#include <kafscale/kafscale.h>
#include <kafscale/metrics.h>

#include <stdio.h>
#include <string.h>

#define WAIT_MS 30000

static int
fail(const char *what, const struct kafscale_error *error)
{
    fprintf(stderr, "%s: %s\n", what, error->text);
    return 1;
}

static int
set_all(struct kafscale_options *options, char **settings)
{
    struct kafscale_error error = { 0 };

    for (; *settings != NULL; settings++) {
        char *value = strchr(*settings, '=');

        if (value == NULL) {
            return fail(*settings, &error);
        }
        *value = '\0';
        if (kafscale_options_set(options, *settings, value + 1, &error) != KAFSCALE_OK) {
            return fail(*settings, &error);
        }
    }
    return 0;
}

static int
run(struct kafscale_broker *broker)
{
    struct kafscale_error error = { 0 };

    if (kafscale_broker_start(broker, NULL, &error) != KAFSCALE_OK ||
        kafscale_broker_wait_ready(broker, WAIT_MS, &error) != KAFSCALE_OK) {
        return fail("start", &error);
    }
    fprintf(stderr, "metrics and health over http address=%s\n",
            kafscale_broker_metrics_address(broker));
    printf("broker listening on %s\n", kafscale_broker_address(broker, 0));
    fflush(stdout);
    while (getchar() != EOF) {
    }
    return 0;
}

int
main(int argc, char **argv)
{
    struct kafscale_error error = { 0 };
    struct kafscale_options *options = kafscale_options_new();
    struct kafscale_broker *broker = NULL;
    int code = 1;

    (void) argc;
    if (options != NULL && set_all(options, argv + 1) == 0) {
        broker = kafscale_broker_new(options, &error);
        code = broker == NULL ? fail("new", &error) : run(broker);
    }
    kafscale_broker_free(broker);
    kafscale_options_free(options);
    return code;
}
