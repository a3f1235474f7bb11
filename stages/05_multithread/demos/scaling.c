/* Do more workers mean more work done? It depends on what a task does.
 *
 * main spawns the same tasks again and again on runtimes of 1, 2, ... workers, and waits for all of them. Once a task
 * does next to nothing, once it computes for some 20 us. Each figure is the median of seven rounds, in us for one task.
 *
 * What comes from outside goes through the injection queue, one task at a time and under one lock. Tasks that compute
 * hardly meet there. Tasks that do nothing spend all of their life there, and then another worker is one more to wait
 * for. main spawns, so it needs a core as well. */
#include "all.h"
#include "demo.h"
#include "must.h"
#include "runtime.h"
#include "task.h"

#include <unistd.h>

enum { TASKS = 1000, ROUNDS = 7 };

struct work {
    struct future base;
    int steps;
    unsigned long result;
};

static enum poll work_poll(struct future *f, struct context *cx)
{
    struct work *self = (struct work *)f;

    (void)cx;
    for (int i = 0; i < self->steps; i++)
        self->result = self->result * 6364136223846793005u + 1442695040888963407u;
    return POLL_READY;
}

FUTURE_TYPE(work, work_poll, NULL);

static void spawn_all(struct runtime *rt, int steps, struct join_handle *handles)
{
    for (int i = 0; i < TASKS; i++) {
        struct work new = {.steps = steps};
        future_init(&new.base, &work_type);
        must(task_spawn(rt, &new, &handles[i]), "task_spawn");
    }
}

/* us for one task, from the first spawn until all of them are done */
static double round_of(struct runtime *rt, int steps)
{
    static struct join_handle handles[TASKS];
    double began = demo_milliseconds(CLOCK_MONOTONIC);

    spawn_all(rt, steps, handles);
    struct all all = all_of(handles, TASKS);
    must(runtime_block_on(rt, &all), "runtime_block_on");
    double took = demo_milliseconds(CLOCK_MONOTONIC) - began;
    future_drop(&all.base);
    return took * 1e3 / TASKS;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median_of_rounds(unsigned workers, int steps)
{
    double rounds[ROUNDS];
    struct runtime rt;

    must(runtime_init(&rt, workers), "runtime_init");
    for (int i = 0; i < ROUNDS; i++)
        rounds[i] = round_of(&rt, steps);
    runtime_destroy(&rt);
    qsort(rounds, ROUNDS, sizeof rounds[0], compare);
    return rounds[ROUNDS / 2];
}

int main(int argc, char **argv)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    long most = demo_begin(argc, argv, "Times tasks on 1, 2, ... workers, up to the cores of this machine, or NUMBER.",
                           cores);
    double nothing_1 = 0, computes_1 = 0;

    if (most == 0)
        most = cores; /* as for runtime_init */
    printf("us for one task, from its spawn by main to its end; this machine has %ld cores\n\n", cores);
    printf("  workers   does nothing   speed-up   computes   speed-up\n");
    for (unsigned workers = 1; workers <= (unsigned)most; workers++) {
        double nothing = median_of_rounds(workers, 0), computes = median_of_rounds(workers, 15000);
        if (workers == 1)
            nothing_1 = nothing, computes_1 = computes;
        printf("  %7u   %12.2f   %7.2fx   %8.2f   %7.2fx\n", workers, nothing, nothing_1 / nothing, computes,
               computes_1 / computes);
    }
    printf(
        "\nA task that does nothing is all overhead, and one lock hands them out: more workers do not help there.\n");
    return 0;
}
