/* Two tasks wait for each other to end. No code is wrong line by line, and no thread is stuck: the executor just sleeps,
 * as nobody is left who could wake anybody. Record this run, and `lifeline check` names the circle. */
#include "demo.h"
#include "executor.h"
#include "join_handle.h"
#include "must.h"
#include "timer.h"

/* Ready when the task that `other` belongs to is. */
struct waiter {
    struct future base;
    struct join_handle *other;
};

static enum poll waiter_poll(struct future *f, struct context *cx)
{
    struct waiter *self = (struct waiter *)f;
    return future_poll(&self->other->base, cx);
}

static void waiter_drop(struct future *f)
{
    struct waiter *self = (struct waiter *)f;
    future_drop(&self->other->base);
}

FUTURE_TYPE(waiter, waiter_poll, waiter_drop);

static struct waiter waiter(struct join_handle *other)
{
    struct waiter self = {.other = other};
    future_init(&self.base, &waiter_type);
    return self;
}

/* What outlives main: the two tasks are never freed, which is the point. */
static struct executor ex;
static struct join_handle handle_a, handle_b;

int main(int argc, char **argv)
{
    demo_begin(argc, argv, "Two tasks wait for each other.", 0);
    struct waiter a = waiter(&handle_b);
    struct waiter b = waiter(&handle_a);
    struct sleep patience = sleep_for(MILLISECONDS(100));

    must(executor_init(&ex), "executor_init");
    must(task_spawn(&ex, &a, &handle_a), "task_spawn");
    must(task_spawn(&ex, &b, &handle_b), "task_spawn");
    must(executor_block_on(&ex, &patience), "executor_block_on");
    must(patience.output, "sleep");
    future_drop(&patience.base);
    printf("100 ms later %u tasks are still alive: A waits for B, and B for A.\n", ex.alive);
    printf("An executor_run would now sleep for ever.\nexecutor_destroy could still free both.\n");
    return 0;
}
