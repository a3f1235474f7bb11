/* lifeline stats: counts and times, for each task, thread and system call. */
#include "commands.h"
#include "describe.h"
#include "memory.h"
#include "options.h"
#include "tally.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_TOP 20

static const char help[] =
    "usage: lifeline stats TRACE [--top N]\n"
    "\n"
    "Counts and times of a recording: for each task, each thread and each system call.\n"
    "\n"
    "  --top N   show the N tasks that were polled most, and the N busiest threads (default: 20; 0: all)\n"
    "\n"
    "  wasted    polls after the first that ended Pending and had no effect that the recording shows\n"
    "  delay     time from a wake to the poll that it asked for: median, 99th percentile, longest\n"
    "  busy      time spent in polls; asleep: parked, or waiting in the kernel for events or a futex\n"
    "\n"
    "examples:\n"
    "  lifeline stats run.trace\n"
    "  lifeline stats run.trace --top 5\n";

/* A duration in at most 8 columns; "-" when there is none. */
static const char *put_time(uint64_t ns, bool known, char *to, size_t size)
{
    if (!known)
        snprintf(to, size, "-");
    else
        describe_time(ns, to, size);
    return to;
}

static void print_delays(const struct tally_delays *delays)
{
    char median[32], p99[32], highest[32];
    bool known = delays->count > 0;

    printf(" %9s %9s %9s", put_time(delays->median, known, median, sizeof median),
           put_time(delays->p99, known, p99, sizeof p99), put_time(delays->highest, known, highest, sizeof highest));
}

/* ---- tasks */

static int more_polls(const void *left, const void *right)
{
    const struct tally_task *a = *(const struct tally_task *const *)left;
    const struct tally_task *b = *(const struct tally_task *const *)right;

    if (a->polls != b->polls)
        return a->polls < b->polls ? 1 : -1;
    return a->spawned < b->spawned ? -1 : 1;
}

static int spawned_earlier(const void *left, const void *right)
{
    const struct tally_task *a = *(const struct tally_task *const *)left;
    const struct tally_task *b = *(const struct tally_task *const *)right;

    return a->spawned < b->spawned ? -1 : 1;
}

static void print_task(const struct recording *rec, const struct tally_task *task)
{
    char busy[32], life[32];

    printf("%6u %-16.16s %8llu %8llu %8llu", task->number, task_type(rec, task->number),
           (unsigned long long)task->polls, (unsigned long long)task->wasted, (unsigned long long)task->wakes);
    print_delays(&task->delays);
    printf(" %9s %9s%s\n", describe_time(task->busy, busy, sizeof busy),
           describe_time(task->ended - task->born, life, sizeof life), task->done ? "" : "+");
}

static void print_tasks(const struct recording *rec, const struct tally *tally, uint32_t top)
{
    const struct tally_task **order = memory_array(tally->task_count, sizeof *order);
    uint32_t shown = top && top < tally->task_count ? top : tally->task_count;

    for (uint32_t i = 0; i < tally->task_count; i++)
        order[i] = &tally->tasks[i];
    if (shown < tally->task_count) {
        qsort(order, tally->task_count, sizeof *order, more_polls);
        qsort(order, shown, sizeof *order, spawned_earlier);
    }
    printf("%6s %-16s %8s %8s %8s %9s %9s %9s %9s %9s\n", "task", "type", "polls", "wasted", "wakes", "delay", "p99",
           "longest", "busy", "lifetime");
    for (uint32_t i = 0; i < shown; i++)
        print_task(rec, order[i]);
    if (shown < tally->task_count)
        printf("the %u of %u tasks that were polled most; --top 0 shows all\n", shown, tally->task_count);
    free(order);
}

static void print_task_sum(const struct tally *tally)
{
    uint64_t polls = 0, wasted = 0, wakes = 0, busy = 0;
    char words[32];

    for (uint32_t i = 0; i < tally->task_count; i++) {
        polls += tally->tasks[i].polls;
        wasted += tally->tasks[i].wasted;
        wakes += tally->tasks[i].wakes;
        busy += tally->tasks[i].busy;
    }
    printf("%6s %-16s %8llu %8llu %8llu", "all", "", (unsigned long long)polls, (unsigned long long)wasted,
           (unsigned long long)wakes);
    print_delays(&tally->delays);
    printf(" %9s\n", describe_time(busy, words, sizeof words));
}

/* Where there are no tasks, as in stage 01, somebody polls futures by hand. Children of futures count too. */
static void print_polls_by_hand(const struct recording *rec)
{
    unsigned long long polls = 0, ready = 0;

    for (size_t i = 0; i < rec->count; i++) {
        const struct event *ev = &rec->events[i];
        polls += ev->kind == TRACE_FUTURE_POLL_END;
        ready += ev->kind == TRACE_FUTURE_POLL_END && ev->a == 1;
    }
    printf("no tasks; futures were polled by hand %llu times, and %llu of these polls ended Ready\n", polls, ready);
}

/* ---- threads and calls */

static void print_thread(const struct recording *rec, const struct tally_thread *thread, uint32_t number)
{
    uint64_t span = thread->to - thread->from;
    uint64_t rest = span > thread->busy + thread->asleep ? span - thread->busy - thread->asleep : 0;
    char name[DESCRIBE_SIZE], busy[32], asleep[32], other[32];

    printf("%6u %-16.16s %8llu %8llu %8llu %9s %9s %9s %8.1f%%\n", number,
           describe_thread(rec, number, name, sizeof name), (unsigned long long)thread->polls,
           (unsigned long long)thread->wakes, (unsigned long long)thread->steals,
           describe_time(thread->busy, busy, sizeof busy), describe_time(thread->asleep, asleep, sizeof asleep),
           describe_time(rest, other, sizeof other), span ? 100.0 * (double)thread->busy / (double)span : 0.0);
}

static void print_threads(const struct recording *rec, const struct tally *tally, uint32_t top)
{
    uint32_t shown = 0, seen = 0;

    printf("\n%6s %-16s %8s %8s %8s %9s %9s %9s %9s\n", "thread", "name", "polls", "wakes", "steals", "busy", "asleep",
           "other", "busy %");
    for (uint32_t i = 0; i <= rec->threads; i++) {
        if (tally->threads[i].events == 0)
            continue;
        seen++;
        if (top == 0 || shown < top) {
            print_thread(rec, &tally->threads[i], i);
            shown++;
        }
    }
    if (shown < seen)
        printf("the first %u of %u threads; --top 0 shows all\n", shown, seen);
}

static void print_calls(const struct tally *tally)
{
    char words[32], mean[32];
    bool any = false;

    for (unsigned i = 0; i < TALLY_CALLS; i++) {
        const struct tally_call *call = &tally->calls[i];
        const char *name = event_call_name(i);

        if (call->count == 0)
            continue;
        if (!any)
            printf("\n%-23s %8s %8s %9s %9s\n", "system call", "calls", "failed", "time", "mean");
        any = true;
        printf("%-23s %8llu %8llu %9s %9s\n", name ? name : "of unknown name", (unsigned long long)call->count,
               (unsigned long long)call->failed, describe_time(call->time, words, sizeof words),
               describe_time(call->time / call->count, mean, sizeof mean));
    }
}

static void print_stats(const struct recording *rec, uint32_t top)
{
    uint64_t span = rec->count ? rec->events[rec->count - 1].time - rec->events[0].time : 0;
    struct tally tally;
    char words[32];

    tally_run(&tally, rec, UINT64_MAX);
    printf("%s: %zu events of %s in %s%s\n", rec->path, rec->count, *rec->program ? rec->program : "a program",
           describe_time(span, words, sizeof words), rec->ended_in_order ? "" : ", killed or crashed");
    if (rec->dropped)
        printf("%llu events found no room and are missing\n", (unsigned long long)rec->dropped);
    printf("\n");
    if (tally.task_count > 0) {
        print_tasks(rec, &tally, top);
        print_task_sum(&tally);
    } else {
        print_polls_by_hand(rec);
    }
    print_threads(rec, &tally, top);
    print_calls(&tally);
    tally_free(&tally);
}

int stats_main(int argc, char **argv)
{
    struct recording rec;
    const char *path;
    const char *given = NULL;
    uint32_t top = DEFAULT_TOP;
    int status;

    if (!options_take(&argc, argv, "--top", &given) || (given && !options_number(given, &top)))
        return options_bad(argv[0], "--top needs a number");
    status = options_one_file(argc, argv, help, &path);
    if (status != OPTIONS_GO_ON)
        return status;
    if (recording_open_or_say(&rec, path) < 0)
        return 2;
    print_stats(&rec, top);
    recording_close(&rec);
    return finish_output();
}
