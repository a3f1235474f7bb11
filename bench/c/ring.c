/* The limit: a FIFO ring of functions and their arguments, and a loop that calls them. No states, no wakers, no join:
 * whatever a runtime costs, it costs on top of this. */
#include "../subject.h"

#include <stddef.h>
#include <stdlib.h>

struct call {
    void (*function)(void *argument);
    void *argument;
};

/* Never holds more than size - 1 calls; the size is a power of two. */
struct ring {
    struct call *calls;
    uint64_t mask, head, tail;
};

static struct ring ring;

static void ring_init(uint64_t room)
{
    uint64_t size = 2;
    while (size <= room)
        size *= 2;
    ring = (struct ring){subject_alloc_touched(size, sizeof *ring.calls), size - 1, 0, 0};
}

static void ring_push(void (*function)(void *), void *argument)
{
    ring.calls[ring.tail++ & ring.mask] = (struct call){function, argument};
}

static void ring_run(void)
{
    while (ring.head != ring.tail) {
        struct call call = ring.calls[ring.head++ & ring.mask];
        call.function(call.argument);
    }
}

/* --- spawn_join: a block of memory each, which is kept until all are done --- */

struct giver {
    uint64_t i, output;
};

static void giver_call(void *argument)
{
    struct giver *self = argument;
    self->output = result(self->i);
}

static void give(struct work *work, struct giver **givers)
{
    work->checksum = 0;
    uint64_t began = clock_ns();
    for (uint64_t i = 0; i < work->n; i++) {
        givers[i] = subject_alloc(1, sizeof *givers[i]);
        givers[i]->i = i;
        ring_push(giver_call, givers[i]);
    }
    ring_run();
    for (uint64_t i = 0; i < work->n; i++) {
        work->checksum += givers[i]->output;
        free(givers[i]);
    }
    work->value = (double)(clock_ns() - began) / (double)work->n;
    work->unit = "ns/task";
}

static void spawn_join(struct work *work)
{
    struct giver **givers = subject_alloc_touched(work->n, sizeof(struct giver *));

    ring_init(work->n);
    give(work, givers);
    give(work, givers);
    free(givers);
    free(ring.calls);
}

/* --- yields: a function that pushes itself again --- */

struct yielder {
    uint64_t left, output;
};

static void yielder_call(void *argument)
{
    struct yielder *self = argument;
    if (self->left-- > 0)
        ring_push(yielder_call, self);
}

static void take_turns(struct work *work, uint64_t tasks, uint64_t times)
{
    struct yielder *yielders = subject_alloc(tasks, sizeof *yielders);

    work->checksum = 0;
    uint64_t began = clock_ns();
    for (uint64_t i = 0; i < tasks; i++) {
        yielders[i] = (struct yielder){times, (i + 1) * times};
        ring_push(yielder_call, &yielders[i]);
    }
    ring_run();
    for (uint64_t i = 0; i < tasks; i++)
        work->checksum += yielders[i].output;
    work->value = (double)(clock_ns() - began) / (double)(tasks * times);
    free(yielders);
}

static void yields(struct work *work, uint64_t tasks, uint64_t times, const char *unit)
{
    ring_init(tasks);
    take_turns(work, tasks, times);
    take_turns(work, tasks, times);
    work->unit = unit;
    free(ring.calls);
}

static void yield_1(struct work *work)
{
    yields(work, 1, work->n, "ns/yield");
}

static void yield_1000x1000(struct work *work)
{
    yields(work, 1000, work->n, "ns/yield");
}

static void context_switch_task(struct work *work)
{
    yields(work, 2, work->n / 2, "ns/switch");
}

int main(int argc, char **argv)
{
    static const struct workload workloads[] = {
        {"spawn_join", spawn_join},
        {"yield_1", yield_1},
        {"yield_1000x1000", yield_1000x1000},
        {"context_switch_task", context_switch_task},
        {NULL, NULL},
    };
    return subject_main(argc, argv, workloads);
}
