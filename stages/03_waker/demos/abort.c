/* Four tasks are told to stop: one asleep, one queued and never polled, one by itself in its own poll, and one too late.
 * What they hold is given back, and the join handle says who has no output. */
#include "demo.h"
#include "executor.h"
#include "join_handle.h"
#include "must.h"
#include "timer.h"

static int desks; /* in use */

/* Works at a desk, which it must give back however it ends. */
struct worker {
    struct future base;
    const char *name;
    uint64_t milliseconds;
    struct join_handle *own; /* to stop itself with, or NULL */
    char *desk;
    struct sleep sleep;
    enum { WORKER_START, WORKER_BUSY } state;
};

static enum poll worker_poll(struct future *f, struct context *cx)
{
    struct worker *self = (struct worker *)f;

    switch (self->state) {
    case WORKER_START:
        self->desk = malloc(1000);
        if (!self->desk)
            abort();
        desks++;
        self->sleep = sleep_for(MILLISECONDS(self->milliseconds));
        self->state = WORKER_BUSY;
        printf("%-8s starts to work\n", self->name);
        if (self->own) {
            join_handle_abort(self->own);
            printf("%-8s tells itself to stop; its poll still runs to its end\n", self->name);
        }
        __attribute__((fallthrough));
    case WORKER_BUSY:
        if (future_poll(&self->sleep.base, cx) == POLL_PENDING)
            return POLL_PENDING;
        printf("%-8s has finished\n", self->name);
        return POLL_READY;
    }
    __builtin_unreachable();
}

static void worker_drop(struct future *f)
{
    struct worker *self = (struct worker *)f;

    printf("%-8s is dropped, and gives back what it holds: %s\n", self->name, self->desk ? "a desk" : "nothing yet");
    if (self->state == WORKER_BUSY)
        future_drop(&self->sleep.base);
    if (self->desk)
        desks--;
    free(self->desk);
}

FUTURE_TYPE(worker, worker_poll, worker_drop);

static struct worker worker(const char *name, uint64_t milliseconds, struct join_handle *own)
{
    struct worker self = {.name = name, .milliseconds = milliseconds, .own = own, .state = WORKER_START};
    future_init(&self.base, &worker_type);
    return self;
}

/* Lets the tasks run for a while. */
static void wait_for(struct executor *ex, uint64_t milliseconds)
{
    struct sleep pause = sleep_for(MILLISECONDS(milliseconds));
    must(executor_block_on(ex, &pause), "executor_block_on");
    must(pause.output, "sleep");
    future_drop(&pause.base);
}

int main(int argc, char **argv)
{
    demo_begin(argc, argv, "Tasks are told to stop, at every moment of their life.", 0);
    enum { ASLEEP, QUEUED, ITSELF, TOO_LATE, COUNT };
    struct executor ex;
    struct join_handle handles[COUNT];
    struct worker workers[COUNT] = {worker("asleep", 60000, NULL), worker("queued", 60000, NULL),
                                    worker("itself", 60000, &handles[ITSELF]), worker("too late", 10, NULL)};

    must(executor_init(&ex), "executor_init");
    for (int i = 0; i < COUNT; i++)
        must(task_spawn(&ex, &workers[i], &handles[i]), "task_spawn");
    join_handle_abort(&handles[QUEUED]);
    wait_for(&ex, 50);
    printf("-- 50 ms later: 'asleep' has nearly a minute to go. It is told to stop, and so is 'too late'.\n");
    join_handle_abort(&handles[ASLEEP]);
    join_handle_abort(&handles[TOO_LATE]);

    for (int i = 0; i < COUNT; i++) {
        must(executor_block_on(&ex, &handles[i]), "executor_block_on");
        printf("-- the join handle of '%s': %s\n", workers[i].name,
               join_handle_output(&handles[i]) ? "here is its output" : "no output, it was aborted");
        future_drop(&handles[i].base);
    }
    executor_destroy(&ex);
    printf("Desks still in use: %d.\n", desks);
    return desks;
}
