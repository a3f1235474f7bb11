/* Three tasks on one thread take turns: each poll lets a task go one step, and the queue is first in, first out.
 *
 * A task that is pending goes to the back. So nobody has to be fair on purpose, and nobody is ever interrupted in the
 * middle of a step either: that is what "cooperative" means. */
#include "demo.h"
#include "executor.h"
#include "trace.h"

struct walker {
    struct future base;
    const char *name; /* input */
    int steps;        /* input */
    int step;         /* a local that lives from one poll to the next */
};

static enum poll walker_poll(struct future *f, struct context *cx)
{
    struct walker *self = (struct walker *)f;

    (void)cx;
    self->step++;
    trace_note("a step", self->step);
    printf("%s takes step %d of %d%s\n", self->name, self->step, self->steps,
           self->step == self->steps ? " and is there" : "");
    return self->step == self->steps ? POLL_READY : POLL_PENDING;
}

FUTURE_TYPE(walker, walker_poll, NULL);

static struct walker walker(const char *name, int steps)
{
    struct walker self = {.name = name, .steps = steps};
    future_init(&self.base, &walker_type);
    return self;
}

int main(int argc, char **argv)
{
    demo_begin(argc, argv, "Shows three tasks that take turns in the order of a queue.", 0);
    struct walker walkers[] = {walker("Ann", 3), walker("  Bob", 2), walker("    Cid", 4)};
    struct executor ex;

    if (executor_init(&ex) != 0) {
        fprintf(stderr, "round_robin: cannot make an executor\n");
        return 1;
    }
    int error = 0;
    for (int i = 0; i < 3 && !error; i++)
        error = task_spawn(&ex, &walkers[i], NULL);
    if (error) {
        fprintf(stderr, "round_robin: cannot spawn: %s\n", strerror(-error));
    } else {
        printf("Three tasks are in the queue. None has moved yet: that takes executor_run.\n");
        executor_run(&ex);
        printf("The queue is empty. All of it ran on this one thread.\n");
    }
    executor_destroy(&ex);
    return error ? 1 : 0;
}
