/* 10,000 tasks sleep for 100 us each, at the same time, on one thread.
 *
 * Each sleep is a timer in the reactor's heap, inside its task: no thread, no descriptor, and no system call of its own.
 * The one wait in the kernel ends at the first deadline, and whatever is due by then is woken together. Stage 03 had
 * to start a thread for each of these sleeps. */
#include "demo.h"
#include "executor.h"
#include "must.h"
#include "timer.h"
#include "trace.h"

static const uint64_t DURATION = 100000; /* ns */

struct results {
    unsigned early;
    uint64_t latest, late_in_all; /* ns after the deadline */
};

struct sleeper {
    struct future base;
    struct results *results;
    struct sleep sleep;
    enum { SLEEPER_START, SLEEPER_ASLEEP } state;
};

static void sleeper_awake(const struct sleeper *self)
{
    struct results *results = self->results;
    uint64_t now = trace_now(), deadline = self->sleep.timer.deadline;
    uint64_t late = now > deadline ? now - deadline : 0;

    results->early += now < deadline;
    results->late_in_all += late;
    if (late > results->latest)
        results->latest = late;
}

static enum poll sleeper_poll(struct future *f, struct context *cx)
{
    struct sleeper *self = (struct sleeper *)f;

    switch (self->state) {
    case SLEEPER_START:
        self->sleep = sleep_for(DURATION);
        self->state = SLEEPER_ASLEEP;
        __attribute__((fallthrough));
    case SLEEPER_ASLEEP:
        if (future_poll(&self->sleep.base, cx) == POLL_PENDING)
            return POLL_PENDING;
        sleeper_awake(self);
        future_drop(&self->sleep.base);
        return POLL_READY;
    }
    __builtin_unreachable();
}

static void sleeper_drop(struct future *f)
{
    struct sleeper *self = (struct sleeper *)f;
    if (f->phase == FUTURE_STARTED)
        future_drop(&self->sleep.base);
}

FUTURE_TYPE(sleeper, sleeper_poll, sleeper_drop);

static struct sleeper sleeper(struct results *results)
{
    struct sleeper self = {.results = results, .state = SLEEPER_START};
    future_init(&self.base, &sleeper_type);
    return self;
}

int main(int argc, char **argv)
{
    long count = demo_begin(argc, argv, "10,000 tasks, or NUMBER, sleep for 100 us each.", 10000);
    struct results results = {0};
    struct executor ex;

    must(executor_init(&ex), "executor_init");
    double began = demo_milliseconds(CLOCK_MONOTONIC), worked = demo_milliseconds(CLOCK_PROCESS_CPUTIME_ID);
    for (long i = 0; i < count; i++) {
        struct sleeper new = sleeper(&results);
        must(task_spawn(&ex, &new, NULL), "task_spawn");
    }
    executor_run(&ex);
    double took = demo_milliseconds(CLOCK_MONOTONIC) - began;
    worked = demo_milliseconds(CLOCK_PROCESS_CPUTIME_ID) - worked;
    executor_destroy(&ex);

    printf("%ld sleeps of 100 us: one after the other they would take %.0f ms.\n", count, (double)count * 0.1);
    printf("Together they took %.1f ms on one thread, with %.1f ms of CPU time and %zu bytes for each task.\n", took,
           worked, sizeof(struct task) + sizeof(struct sleeper));
    printf("Woken early: %u. Late: %.0f us on average, %.0f us at most: a task that is due still waits for its turn\n"
           "behind the others that are. (In stage 03 each of these sleeps was a thread.)\n",
           results.early, count ? (double)results.late_in_all / 1e3 / (double)count : 0, (double)results.latest / 1e3);
    return results.early ? 1 : 0;
}
