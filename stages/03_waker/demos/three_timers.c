/* Three tasks sleep 100, 50 and 150 ms at the same time, on one thread: they finish in the order 2, 1, 3, after 150 ms
 * in all and next to no CPU time, because the executor itself sleeps until a helper thread wakes a task. */
#include "demo.h"
#include "executor.h"
#include "must.h"
#include "timer.h"

struct napper {
    struct future base;
    int number;
    uint64_t milliseconds;
    struct sleep sleep;
    enum { NAPPER_START, NAPPER_ASLEEP } state;
};

static enum poll napper_poll(struct future *f, struct context *cx)
{
    struct napper *self = (struct napper *)f;

    switch (self->state) {
    case NAPPER_START:
        printf("task %d goes to sleep for %d ms\n", self->number, (int)self->milliseconds);
        self->sleep = sleep_for(MILLISECONDS(self->milliseconds));
        self->state = NAPPER_ASLEEP;
        __attribute__((fallthrough));
    case NAPPER_ASLEEP:
        if (future_poll(&self->sleep.base, cx) == POLL_PENDING)
            return POLL_PENDING;
        must(self->sleep.output, "sleep");
        printf("task %d is awake again\n", self->number);
        return POLL_READY;
    }
    __builtin_unreachable();
}

static void napper_drop(struct future *f)
{
    struct napper *self = (struct napper *)f;
    if (self->state == NAPPER_ASLEEP)
        future_drop(&self->sleep.base);
}

FUTURE_TYPE(napper, napper_poll, napper_drop);

static struct napper napper(int number, uint64_t milliseconds)
{
    struct napper self = {.number = number, .milliseconds = milliseconds, .state = NAPPER_START};
    future_init(&self.base, &napper_type);
    return self;
}

int main(int argc, char **argv)
{
    demo_begin(argc, argv, "Three tasks sleep at the same time, and so does the executor.", 0);
    struct executor ex;
    struct napper nappers[3] = {napper(1, 100), napper(2, 50), napper(3, 150)};

    must(executor_init(&ex), "executor_init");
    for (int i = 0; i < 3; i++)
        must(task_spawn(&ex, &nappers[i], NULL), "task_spawn");
    double began = demo_milliseconds(CLOCK_MONOTONIC);
    double worked = demo_milliseconds(CLOCK_PROCESS_CPUTIME_ID);
    executor_run(&ex);
    printf("All three took %.0f ms together, and %.1f ms of them the processor worked.\n",
           demo_milliseconds(CLOCK_MONOTONIC) - began, demo_milliseconds(CLOCK_PROCESS_CPUTIME_ID) - worked);
    executor_destroy(&ex);
    return 0;
}
