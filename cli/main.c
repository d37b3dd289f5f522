/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kafscale-cli: looks into a store, checks it and repairs it. The work is the library's
 * (kafscale/tools.h); what stands here reads words and shows answers.
 */
#include "command.h"

#include "arguments.h"
#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct command {
    const char *name;
    const char *arguments;
    const char *help;
    command_run *run;
};

static const struct command commands[] = {
    { "check-store", "", "whether the store keeps the promises that brokers rely on",
      command_check_store },
    { "dump", "[--batches|--records] KEY...", "what is in objects", command_dump },
    { "import", "[--topic NAME] [--dry-run]",
      "topics that another KafScale wrote into the namespace become known to brokers",
      command_import },
    { "ls", "[PREFIX]", "the objects below a prefix of the namespace, with their sizes",
      command_ls },
    { "rebuild-metadata", "[--dry-run]",
      "lost metadata is made anew from the objects; no broker may run", command_rebuild },
    { "restore",
      "--topic NAME --target-topic NAME [--to TIME] [--partitions 0,1] [--namespace NS] "
      "[--target-namespace NS]",
      "a topic as it was at a time (RFC 3339) becomes a new topic", command_restore },
    { "verify", "[--quick] [--all]",
      "whether every record is where brokers look for it; --all shows garbage too",
      command_verify },
};

static void
print_help(void)
{
    puts("Usage: kafscale-cli [--config FILE] [--set key=value]... [--json] COMMAND [ARGUMENT]...\n"
         "\n"
         "Looks into a store, checks it and repairs it. It finds the store as kafscaled does: by\n"
         "--set, the environment, --config or the default ./kafscale-data, in this order.\n");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        printf("  %s %s\n        %s\n", commands[i].name, commands[i].arguments, commands[i].help);
    }
    puts("\n"
         "  --json            descriptions as JSON, one object a line\n"
         "  --help-options    lists all options\n"
         "  --version         prints the version\n"
         "  --help, -h        prints this\n"
         "\n"
         "Exit status:\n"
         "  0  done\n"
         "  1  it could not be done, or something was found; stderr has the reason\n"
         "  2  wrong arguments or configuration");
}

int
fail(const struct kafscale_error *error)
{
    fprintf(stderr, "kafscale-cli: %s\n", error->text);
    return error->status == KAFSCALE_INVALID ? EXIT_USAGE : EXIT_FAILURE;
}

int
fail_usage(const char *text, const char *word)
{
    fprintf(stderr, "kafscale-cli: %s %s (see kafscale-cli --help)\n", text, word);
    return EXIT_USAGE;
}

bool
take_flag(const struct cli *cli, int *place, const char *name)
{
    if (*place >= cli->argc || strcmp(cli->argv[*place], name) != 0) {
        return false;
    }
    (*place)++;
    return true;
}

bool
take_value(const struct cli *cli, int *place, const char *name, const char **value_out)
{
    size_t size = strlen(name);

    if (*place >= cli->argc || strncmp(cli->argv[*place], name, size) != 0) {
        return false;
    }
    if (cli->argv[*place][size] == '=') {
        *value_out = cli->argv[(*place)++] + size + 1;
        return true;
    }
    if (cli->argv[*place][size] != '\0' || *place + 1 >= cli->argc) {
        return false;
    }
    *value_out = cli->argv[*place + 1];
    *place += 2;
    return true;
}

static const struct command *
find_command(const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

static int
run(const struct command *command, struct cli *cli)
{
    struct kafscale_error error = { 0 };
    int result;

    cli->tools = kafscale_tools_open(cli->options, report_from_library, NULL, &error);
    if (cli->tools == NULL) {
        return fail(&error);
    }
    result = command->run(cli);
    kafscale_tools_close(cli->tools);
    if (fflush(stdout) != 0 && result == 0) {
        return fail(&(struct kafscale_error){ KAFSCALE_IO, "the output can't be written" });
    }
    return result;
}

/* How many of the words stand before the command: flags that all commands share. */
static int
count_common(int argc, char *const *argv)
{
    int i = 1;

    while (i < argc && argv[i][0] == '-') {
        bool takes_next = strcmp(argv[i], "--set") == 0 || strcmp(argv[i], "--config") == 0;

        i += takes_next ? 2 : 1;
    }
    return i < argc ? i : argc;
}

/* Takes --json out of the words before the command; the rest is as kafscaled has it. */
static bool
take_json(int *count, char **words)
{
    bool is_json = false;
    int kept = 0;

    for (int i = 0; i < *count; i++) {
        if (i > 0 && strcmp(words[i], "--json") == 0) {
            is_json = true;
        } else {
            words[kept++] = words[i];
        }
    }
    *count = kept;
    return is_json;
}

static int
run_words(int argc, char **argv, const struct arguments *arguments, int first, bool is_json)
{
    struct kafscale_options *options = kafscale_options_new();
    const struct command *command = first < argc ? find_command(argv[first]) : NULL;
    struct kafscale_error error = { 0 };
    struct cli cli = { .options = options, .is_json = is_json };
    extern char **environ;
    int result;

    if (command == NULL) {
        result = first < argc ? fail_usage("no such command:", argv[first])
                              : fail_usage("a command is missing", "");
    } else if (options == NULL) {
        result = fail(&(struct kafscale_error){ KAFSCALE_NO_MEMORY, "out of memory" });
    } else if (arguments_apply(arguments, environ, options, report_from_library, NULL, &error) !=
               KAFSCALE_OK) {
        result = EXIT_USAGE; /* what is wrong was told */
    } else {
        cli.argc = argc - first - 1;
        cli.argv = argv + first + 1;
        result = run(command, &cli);
    }
    kafscale_options_free(options);
    return result;
}

int
main(int argc, char **argv)
{
    struct arguments arguments = { 0 };
    struct kafscale_error error = { 0 };
    int first = count_common(argc, argv);
    int common = first;
    bool is_json = take_json(&common, argv);
    int result = 0;

    if (arguments_parse(common, argv, &arguments, &error) != KAFSCALE_OK) {
        arguments_deinit(&arguments);
        (void) fail(&error);
        return EXIT_USAGE;
    }
    switch (arguments.action) {
    case ACTION_HELP:
        print_help();
        break;
    case ACTION_HELP_OPTIONS:
        report_options();
        break;
    case ACTION_VERSION:
        printf("kafscale-cli %s\n", kafscale_version());
        break;
    default:
        result = run_words(argc, argv, &arguments, first, is_json);
        break;
    }
    arguments_deinit(&arguments);
    return result;
}
