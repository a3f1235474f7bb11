/* What this executor does while a task waits: it polls it, again and again, for nothing.
 *
 * One task waits 50 ms for a timer of the kernel. Beside it another one has a little work. The executor cannot know that
 * the first task has nothing to do, so it asks it on every round. The demo counts these polls; so does the recording:
 *
 *     TRACE=run.trace wasted_polls, then: lifeline stats run.trace */
#include "demo.h"
#include "executor.h"
#include "trace.h"

#include <errno.h>
#include <stdint.h>
#include <sys/timerfd.h>
#include <unistd.h>

struct waiter {
    struct future base;
    int timer;   /* input: a descriptor, the caller's */
    long polls;  /* output: how often it was asked */
    long wasted; /* output: how many of these polls changed nothing */
};

static enum poll waiter_poll(struct future *f, struct context *cx)
{
    struct waiter *self = (struct waiter *)f;
    uint64_t fired;

    (void)cx;
    self->polls++;
    if (read(self->timer, &fired, sizeof fired) == -1 && (errno == EAGAIN || errno == EINTR)) {
        self->wasted += self->polls > 1; /* the first one was needed, to find out that it must wait */
        return POLL_PENDING;
    }
    return POLL_READY;
}

FUTURE_TYPE(waiter, waiter_poll, NULL);

static struct waiter waiter(int timer)
{
    struct waiter self = {.timer = timer};
    future_init(&self.base, &waiter_type);
    return self;
}

struct worker {
    struct future base;
    int steps; /* input, and then a local: what is left to do */
};

static enum poll worker_poll(struct future *f, struct context *cx)
{
    struct worker *self = (struct worker *)f;

    (void)cx;
    printf("The worker does a step; left to do: %d.\n", --self->steps);
    trace_note("the worker did a step", self->steps);
    return self->steps == 0 ? POLL_READY : POLL_PENDING;
}

FUTURE_TYPE(worker, worker_poll, NULL);

static struct worker worker(int steps)
{
    struct worker self = {.steps = steps};
    future_init(&self.base, &worker_type);
    return self;
}

/* A descriptor that can be read from then on; or -errno. */
static int timer_in(int milliseconds)
{
    struct itimerspec when = {.it_value.tv_nsec = milliseconds * 1000000L};
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);

    if (fd == -1)
        return -errno;
    if (timerfd_settime(fd, 0, &when, NULL) == 0)
        return fd;
    int error = errno;
    close(fd);
    return -error;
}

/* 0, or -errno */
static int run(struct executor *ex, int timer)
{
    struct worker busy = worker(3);
    struct waiter waits = waiter(timer);

    int error = task_spawn(ex, &busy, NULL);
    if (error)
        return error;
    printf("A task waits for 50 ms; a worker beside it has three small steps to do.\n");
    double began = demo_milliseconds(CLOCK_MONOTONIC), cpu_began = demo_milliseconds(CLOCK_PROCESS_CPUTIME_ID);
    error = executor_block_on(ex, &waits);
    double took = demo_milliseconds(CLOCK_MONOTONIC) - began;
    double cpu = demo_milliseconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_began;
    future_drop(&waits.base);
    if (!error) {
        printf("The waiting task was polled %ld times. The first poll began the wait, the last one ended it,\n"
               "and the %ld in between were wasted.\n",
               waits.polls, waits.wasted);
        printf("Waited for %.0f ms, with %.0f ms of CPU time. Nothing was computed in nearly all of it.\n", took, cpu);
    }
    return error;
}

int main(int argc, char **argv)
{
    demo_begin(argc, argv, "Shows how many polls are wasted on a task that only waits.", 0);
    struct executor ex;
    int timer = timer_in(50);
    int error = timer < 0 ? timer : executor_init(&ex);

    if (!error) {
        error = run(&ex, timer);
        executor_destroy(&ex);
    }
    if (timer >= 0)
        close(timer);
    if (error) {
        fprintf(stderr, "wasted_polls: %s\n", strerror(-error));
        return 1;
    }
    return 0;
}
