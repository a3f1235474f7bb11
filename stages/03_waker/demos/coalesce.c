/* Wakes are not counted. A thousand wakes of a sleeping task are one poll; three wakes during a poll are one more poll. */
#include "demo.h"
#include "executor.h"
#include "join_handle.h"
#include "must.h"
#include "trace.h"
#include "wait.h"

/* A bell that one task hears. All on the executor's thread, so it needs no lock. */
static struct {
    struct waker waiting;
    bool rung;
} bell;

struct listener {
    struct future base;
    int polls; /* output */
};

static enum poll listener_poll(struct future *f, struct context *cx)
{
    struct listener *self = (struct listener *)f;

    self->polls++;
    if (bell.rung) {
        wait_cancel(&bell.waiting, TRACE_SOURCE_OTHER, 0, SITE("bell"));
        return POLL_READY;
    }
    wait_start(&bell.waiting, cx, TRACE_SOURCE_OTHER, 0, SITE("bell"));
    return POLL_PENDING;
}

static void listener_drop(struct future *f)
{
    (void)f;
    wait_cancel(&bell.waiting, TRACE_SOURCE_OTHER, 0, SITE("bell"));
}

FUTURE_TYPE(listener, listener_poll, listener_drop);

/* Rings a thousand times in one poll: the listener has no turn in between. */
struct ringer {
    struct future base;
};

static enum poll ringer_poll(struct future *f, struct context *cx)
{
    (void)f, (void)cx;
    bell.rung = true;
    for (int i = 0; i < 1000; i++)
        waker_wake_by_ref(&bell.waiting);
    return POLL_READY;
}

FUTURE_TYPE(ringer, ringer_poll, NULL);

/* Wakes itself while it is being polled. If the executor dropped such a wake, the task would never be polled again. */
struct restless {
    struct future base;
    int polls; /* output */
};

static enum poll restless_poll(struct future *f, struct context *cx)
{
    struct restless *self = (struct restless *)f;

    if (++self->polls == 4)
        return POLL_READY;
    for (int i = 0; i < 3; i++)
        waker_wake_by_ref(cx->waker);
    return POLL_PENDING;
}

FUTURE_TYPE(restless, restless_poll, NULL);

static void show_bell(struct executor *ex)
{
    struct listener listener = {0};
    struct ringer ringer = {0};
    struct join_handle handle;

    future_init(&listener.base, &listener_type);
    future_init(&ringer.base, &ringer_type);
    must(task_spawn(ex, &listener, &handle), "task_spawn");
    must(executor_block_on(ex, &ringer), "executor_block_on");
    must(executor_block_on(ex, &handle), "executor_block_on");
    printf("A sleeping task was woken 1,000 times before its turn came.\n");
    printf("  It was polled %d times: once until it fell asleep, and once for all the wakes.\n",
           ((struct listener *)join_handle_output(&handle))->polls);
    future_drop(&ringer.base);
    future_drop(&handle.base);
}

static void show_restless(struct executor *ex)
{
    struct restless restless = {0};

    future_init(&restless.base, &restless_type);
    must(executor_block_on(ex, &restless), "executor_block_on");
    printf("A task woke itself 3 times during each of its first 3 polls.\n");
    printf("  It was polled %d times: no wake was lost, and none of the 9 counted double.\n", restless.polls);
    future_drop(&restless.base);
}

int main(int argc, char **argv)
{
    demo_begin(argc, argv, "Many wakes are one poll, and a wake during a poll is not lost.", 0);
    struct executor ex;

    must(executor_init(&ex), "executor_init");
    show_bell(&ex);
    show_restless(&ex);
    executor_destroy(&ex);
    return 0;
}
