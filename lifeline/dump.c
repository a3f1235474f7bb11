/* lifeline dump: one event a line, in columns that stay where they are. */
#include "commands.h"
#include "describe.h"
#include "options.h"

#include <stdio.h>

static void print_number(const char *format, unsigned number)
{
    if (number)
        printf(format, number);
    else
        printf(" %4s", "-");
}

static void print_event(const struct recording *rec, size_t number)
{
    const struct event *ev = &rec->events[number - 1];
    const struct place *place = event_place(rec, ev);
    const char *name = event_kind_name(ev->kind);
    char words[DESCRIBE_SIZE], args[DESCRIBE_SIZE];

    printf("#%-7zu %14.3f %-12.12s", number, (double)ev->time / 1e3,
           describe_thread(rec, ev->thread, words, sizeof words));
    print_number(" %4u", ev->worker);
    print_number(" %4u", ev->task);
    printf(" %-14.14s", *task_type(rec, ev->task) ? task_type(rec, ev->task) : "-");
    if (name)
        printf(" %-17s", name);
    else
        printf(" kind_%-12u", ev->kind);
    printf(" %-40s", describe_args(rec, ev, args, sizeof args));
    if (place->line)
        printf(" %s:%u\n", place->file, place->line);
    else
        printf(" -\n");
}

int dump_main(int argc, char **argv)
{
    static const char help[] = "usage: lifeline dump TRACE\n"
                               "\n"
                               "Prints a recording, one event a line:\n"
                               "  number, microseconds since the start, thread, worker, task, its future's type, kind, "
                               "arguments, source line\n"
                               "\n"
                               "examples:\n"
                               "  lifeline dump run.trace | grep wake_\n"
                               "  lifeline dump run.trace | awk '$5 == 3'      only task 3\n";
    struct recording rec;
    const char *path;
    int status = options_one_file(argc, argv, help, &path);

    if (status != OPTIONS_GO_ON)
        return status;
    if (recording_open_or_say(&rec, path) < 0)
        return 2;
    printf("#%-7s %14s %-12s %4s %4s %-14s %-17s %-40s %s\n", "n", "time_us", "thread", "work", "task", "type", "kind",
           "arguments", "source");
    for (size_t i = 1; i <= rec.count; i++)
        print_event(&rec, i);
    recording_close(&rec);
    return finish_output();
}
