/* Eight tasks say hello, each from the worker that it landed on, then sleep a little, and say so again.
 *
 * main spawns them and waits. It runs none of them itself: it is not a worker. Which worker takes which task is decided
 * anew in every run; but the worker that has said hello for a task is also the one that says goodbye. */
#include "all.h"
#include "demo.h"
#include "must.h"
#include "runtime.h"
#include "task.h"
#include "timer.h"

enum { TASKS = 8 };

struct hello {
    struct future base;
    int number;
    unsigned worker; /* where it said hello */
    struct sleep sleep;
    enum { HELLO_START, HELLO_ASLEEP } state;
};

static enum poll hello_poll(struct future *f, struct context *cx)
{
    struct hello *self = (struct hello *)f;

    switch (self->state) {
    case HELLO_START:
        self->worker = runtime_worker();
        printf("hello from task %d, on worker %u\n", self->number, self->worker);
        self->sleep = sleep_for(MILLISECONDS(20));
        self->state = HELLO_ASLEEP;
        __attribute__((fallthrough));
    case HELLO_ASLEEP:
        if (future_poll(&self->sleep.base, cx) == POLL_PENDING)
            return POLL_PENDING;
        future_drop(&self->sleep.base);
        printf("goodbye from task %d, on worker %u%s\n", self->number, runtime_worker(),
               runtime_worker() == self->worker ? "" : ", which is another one");
        return POLL_READY;
    }
    __builtin_unreachable();
}

static void hello_drop(struct future *f)
{
    struct hello *self = (struct hello *)f;
    if (f->phase == FUTURE_STARTED)
        future_drop(&self->sleep.base);
}

FUTURE_TYPE(hello, hello_poll, hello_drop);

static struct hello hello(int number)
{
    struct hello self = {.number = number, .state = HELLO_START};
    future_init(&self.base, &hello_type);
    return self;
}

int main(int argc, char **argv)
{
    long workers = demo_begin(argc, argv, "Eight tasks say hello from 2 workers, or NUMBER.", 2);
    struct join_handle handles[TASKS];
    struct runtime rt;

    must(runtime_init(&rt, (unsigned)workers), "runtime_init");
    for (int i = 0; i < TASKS; i++) {
        struct hello task = hello(i + 1);
        must(task_spawn(&rt, &task, &handles[i]), "task_spawn");
    }
    printf("main has spawned them, and waits; it is not a worker: its number is %u\n", runtime_worker());
    struct all all = all_of(handles, TASKS);
    must(runtime_block_on(&rt, &all), "runtime_block_on");
    future_drop(&all.base);
    runtime_destroy(&rt);
    printf("all of them are done, and the workers have ended\n");
    return 0;
}
