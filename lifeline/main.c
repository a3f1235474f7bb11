/* lifeline: turns a recording into a diagram, checks it, counts in it, lists it. */
#include "commands.h"

#include <stdio.h>
#include <string.h>

#define VERSION "0.1"

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"draw", draw_main},
    {"check", check_main},
    {"stats", stats_main},
    {"dump", dump_main},
};

static const char help[] = "usage: lifeline COMMAND TRACE [options]\n"
                           "\n"
                           "  draw    a sequence diagram of what happened\n"
                           "  check   holds the recording against the contracts of async\n"
                           "  stats   counts and times, for each task and each thread\n"
                           "  dump    one event a line\n"
                           "\n"
                           "  lifeline COMMAND --help says more; --version prints the version\n"
                           "\n"
                           "examples:\n"
                           "  TRACE=run.trace ./demo                 record a run\n"
                           "  lifeline draw run.trace -T text        see it\n"
                           "  lifeline check run.trace               is all well?\n";

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";

    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(name, commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0)
        return fputs(help, stdout) < 0 ? 2 : 0;
    if (strcmp(name, "--version") == 0)
        return puts("lifeline " VERSION) < 0 ? 2 : 0;
    if (*name)
        fprintf(stderr, "lifeline: there is no command %s (see lifeline --help)\n", name);
    else
        fputs(help, stderr);
    return 2;
}
