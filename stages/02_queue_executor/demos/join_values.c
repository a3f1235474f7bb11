/* Two tasks compute, and a third one awaits both and adds up what they found.
 *
 * A join handle is the other end of a spawned task. It is a future as well: ready when the task is, and then the task's
 * typed output can be read through it. */
#include "demo.h"
#include "executor.h"
#include "join_handle.h"
#include "trace.h"

struct power {
    struct future base;
    long number;    /* input */
    int exponent;   /* input */
    int multiplied; /* a local: so often already */
    long result;    /* output */
};

/* One multiplication a poll, so that there is something to wait for. */
static enum poll power_poll(struct future *f, struct context *cx)
{
    struct power *self = (struct power *)f;

    (void)cx;
    self->result *= self->number;
    self->multiplied++;
    trace_note("multiplied", self->result);
    if (self->multiplied < self->exponent) {
        printf("  %ld to the %d: %ld so far\n", self->number, self->exponent, self->result);
        return POLL_PENDING;
    }
    printf("  %ld to the %d: %ld, done\n", self->number, self->exponent, self->result);
    return POLL_READY;
}

FUTURE_TYPE(power, power_poll, NULL);

static struct power power(long number, int exponent)
{
    struct power self = {.number = number, .exponent = exponent, .result = 1};
    future_init(&self.base, &power_type);
    return self;
}

struct sum {
    struct future base;
    struct join_handle left, right; /* inputs */
    long total;                     /* output */
    enum { SUM_AWAIT_LEFT, SUM_AWAIT_RIGHT } state;
};

static long power_of(struct join_handle *handle)
{
    const struct power *finished = join_handle_output(handle);
    return finished->result;
}

static enum poll sum_poll(struct future *f, struct context *cx)
{
    struct sum *self = (struct sum *)f;

    switch (self->state) {
    case SUM_AWAIT_LEFT:
        if (future_poll(&self->left.base, cx) == POLL_PENDING) {
            printf("  the sum: has to wait for the left one\n");
            return POLL_PENDING;
        }
        self->state = SUM_AWAIT_RIGHT;
        __attribute__((fallthrough));
    case SUM_AWAIT_RIGHT:
        if (future_poll(&self->right.base, cx) == POLL_PENDING) {
            printf("  the sum: has to wait for the right one\n");
            return POLL_PENDING;
        }
        self->total = power_of(&self->left) + power_of(&self->right);
        printf("  the sum: both are there, done\n");
        future_drop(&self->left.base);
        future_drop(&self->right.base);
        return POLL_READY;
    }
    __builtin_unreachable();
}

static void sum_drop(struct future *f)
{
    struct sum *self = (struct sum *)f;

    if (self->base.phase == FUTURE_FINISHED)
        return; /* the poll that said READY has dropped them */
    future_drop(&self->left.base);
    future_drop(&self->right.base);
}

FUTURE_TYPE(sum, sum_poll, sum_drop);

static struct sum sum(struct join_handle left, struct join_handle right)
{
    struct sum self = {.left = left, .right = right, .state = SUM_AWAIT_LEFT};
    future_init(&self.base, &sum_type);
    return self;
}

/* 0, or -errno */
static int add_powers(struct executor *ex, long *total)
{
    struct power one = power(3, 2), other = power(4, 2);
    struct join_handle left, right;

    int error = task_spawn(ex, &one, &left);
    if (error)
        return error;
    error = task_spawn(ex, &other, &right);
    if (error) {
        future_drop(&left.base);
        return error;
    }
    printf("Two tasks are queued. block_on queues a third, and runs all of them\nuntil that one is done.\n");
    struct sum both = sum(left, right); /* the handles move in; they may, since nobody has polled them yet */
    error = executor_block_on(ex, &both);
    *total = both.total;
    future_drop(&both.base);
    return error;
}

int main(int argc, char **argv)
{
    demo_begin(argc, argv, "Shows tasks that give values to the task that awaits them.", 0);
    struct executor ex;
    long total = 0;

    int error = executor_init(&ex);
    if (!error) {
        error = add_powers(&ex, &total);
        executor_destroy(&ex);
    }
    if (error) {
        fprintf(stderr, "join_values: %s\n", strerror(-error));
        return 1;
    }
    printf("3 to the 2 plus 4 to the 2 is %ld.\n", total);
    return 0;
}
