/* Two tasks count to three. Without yield_now the first keeps the thread until it is done; with it they take turns. */
#include "demo.h"
#include "executor.h"
#include "must.h"
#include "yield.h"

struct counter {
    struct future base;
    const char *name;
    bool polite;
    int count;
    struct yield yield;
    enum { COUNTER_COUNTING, COUNTER_GIVING_WAY } state;
};

static enum poll counter_poll(struct future *f, struct context *cx)
{
    struct counter *self = (struct counter *)f;

    for (;;) {
        switch (self->state) {
        case COUNTER_COUNTING:
            if (self->count == 3)
                return POLL_READY;
            printf(" %s%d", self->name, ++self->count);
            if (!self->polite)
                continue;
            self->yield = yield_now();
            self->state = COUNTER_GIVING_WAY;
            __attribute__((fallthrough));
        case COUNTER_GIVING_WAY:
            if (future_poll(&self->yield.base, cx) == POLL_PENDING)
                return POLL_PENDING;
            future_drop(&self->yield.base);
            self->state = COUNTER_COUNTING;
        }
    }
}

static void counter_drop(struct future *f)
{
    struct counter *self = (struct counter *)f;
    if (self->state == COUNTER_GIVING_WAY)
        future_drop(&self->yield.base);
}

FUTURE_TYPE(counter, counter_poll, counter_drop);

static struct counter counter(const char *name, bool polite)
{
    struct counter self = {.name = name, .polite = polite, .state = COUNTER_COUNTING};
    future_init(&self.base, &counter_type);
    return self;
}

static void count(struct executor *ex, bool polite)
{
    struct counter a = counter("A", polite);
    struct counter b = counter("B", polite);

    printf("%s yield_now:", polite ? "With   " : "Without");
    must(task_spawn(ex, &a, NULL), "task_spawn");
    must(task_spawn(ex, &b, NULL), "task_spawn");
    executor_run(ex);
    printf("\n");
}

int main(int argc, char **argv)
{
    demo_begin(argc, argv, "Two tasks count to three, first one after the other, then in turns.", 0);
    struct executor ex;

    must(executor_init(&ex), "executor_init");
    count(&ex, false);
    count(&ex, true);
    printf("Nobody takes the thread away from a task: it must give way itself.\n");
    executor_destroy(&ex);
    return 0;
}
