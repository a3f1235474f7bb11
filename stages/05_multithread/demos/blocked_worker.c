/* One task makes a call that blocks. Who has to wait for it?
 *
 * On each of two workers three tasks tick every 10 ms, and note how late the latest tick was. On the first worker a
 * fourth task sits in a call that blocks its thread, as reading a slow disk or looking up a name would. The kernel wakes
 * the others on time, but nobody is there to poll them. `lifeline check` finds the poll that took too long, with its
 * line. (What to do instead: let a thread make the call, and wake the task afterwards; see remote_wake in stage 03.) */
#include "all.h"
#include "demo.h"
#include "must.h"
#include "runtime.h"
#include "task.h"
#include "timer.h"
#include "trace.h"

#include <pthread.h>
#include <stdbool.h>

enum { TICKERS = 3, TICKS = 20, BLOCKED_MS = 150 };

/* --- a ticker --- */

struct ticker {
    struct future base;
    uint64_t due; /* the next tick, on CLOCK_MONOTONIC in ns */
    int ticks_left;
    double latest; /* output: ms */
    struct sleep sleep;
    enum { TICKER_START, TICKER_ASLEEP } state;
};

static void ticker_tick(struct ticker *self)
{
    double late = ((double)trace_now() - (double)self->due) / 1e6;

    if (late > self->latest)
        self->latest = late;
    self->due += MILLISECONDS(10);
    self->ticks_left--;
    self->state = TICKER_START;
}

static enum poll ticker_poll(struct future *f, struct context *cx)
{
    struct ticker *self = (struct ticker *)f;

    while (self->ticks_left > 0) {
        switch (self->state) {
        case TICKER_START:
            self->sleep = sleep_until(self->due);
            self->state = TICKER_ASLEEP;
            __attribute__((fallthrough));
        case TICKER_ASLEEP:
            if (future_poll(&self->sleep.base, cx) == POLL_PENDING)
                return POLL_PENDING;
            future_drop(&self->sleep.base);
            ticker_tick(self);
        }
    }
    return POLL_READY;
}

static void ticker_drop(struct future *f)
{
    struct ticker *self = (struct ticker *)f;
    if (self->state == TICKER_ASLEEP)
        future_drop(&self->sleep.base);
}

FUTURE_TYPE(ticker, ticker_poll, ticker_drop);

static struct ticker ticker(void)
{
    struct ticker self = {.due = trace_now() + MILLISECONDS(10), .ticks_left = TICKS, .state = TICKER_START};
    future_init(&self.base, &ticker_type);
    return self;
}

/* --- the culprit --- */

struct blocker {
    struct future base;
};

static enum poll blocker_poll(struct future *f, struct context *cx)
{
    (void)f, (void)cx;
    nanosleep(&(struct timespec){0, BLOCKED_MS * 1000000}, NULL);
    return POLL_READY;
}

FUTURE_TYPE(blocker, blocker_poll, NULL);

static struct blocker blocker(void)
{
    struct blocker self;
    future_init(&self.base, &blocker_type);
    return self;
}

/* --- a team: what runs on one worker --- */

struct team {
    struct future base;
    bool has_blocker;
    pthread_barrier_t *both; /* so that each worker gets one team */
    struct join_handle handles[TICKERS];
    struct all all;
    unsigned worker; /* outputs */
    double latest;
    enum { TEAM_START, TEAM_WAITING, TEAM_DONE } state;
};

static void spawn_blocker(void)
{
    struct blocker new = blocker();
    must(task_spawn(runtime_current(), &new, NULL), "task_spawn");
}

static void team_spawn(struct team *self)
{
    if (self->has_blocker)
        spawn_blocker();
    for (int i = 0; i < TICKERS; i++) {
        struct ticker new = ticker();
        must(task_spawn(runtime_current(), &new, &self->handles[i]), "task_spawn");
    }
    self->all = all_of(self->handles, TICKERS);
}

static void team_sum_up(struct team *self)
{
    self->worker = runtime_worker();
    for (int i = 0; i < TICKERS; i++) {
        const struct ticker *ticker = join_handle_output(&self->handles[i]);
        if (ticker->latest > self->latest)
            self->latest = ticker->latest;
    }
}

static enum poll team_poll(struct future *f, struct context *cx)
{
    struct team *self = (struct team *)f;

    switch (self->state) {
    case TEAM_START:
        pthread_barrier_wait(self->both);
        team_spawn(self);
        self->state = TEAM_WAITING;
        __attribute__((fallthrough));
    case TEAM_WAITING:
        if (future_poll(&self->all.base, cx) == POLL_PENDING)
            return POLL_PENDING;
        team_sum_up(self);
        future_drop(&self->all.base);
        self->state = TEAM_DONE;
        return POLL_READY;
    case TEAM_DONE:
        break;
    }
    __builtin_unreachable();
}

static void team_drop(struct future *f)
{
    struct team *self = (struct team *)f;
    if (self->state == TEAM_WAITING)
        future_drop(&self->all.base);
}

FUTURE_TYPE(team, team_poll, team_drop);

static struct team team(pthread_barrier_t *both, bool has_blocker)
{
    struct team self = {.both = both, .has_blocker = has_blocker, .state = TEAM_START};
    future_init(&self.base, &team_type);
    return self;
}

static void report(struct join_handle *handle)
{
    const struct team *team = join_handle_output(handle);

    printf("  worker %u, %-30s latest tick %6.1f ms late\n", team->worker,
           team->has_blocker ? "where one call blocked 150 ms:" : "with nothing else to do:", team->latest);
}

int main(int argc, char **argv)
{
    demo_begin(argc, argv, "On each of two workers three tasks tick every 10 ms; on one of them a call blocks.", 0);
    struct join_handle handles[2];
    pthread_barrier_t both;
    struct runtime rt;

    pthread_barrier_init(&both, NULL, 2);
    must(runtime_init(&rt, 2), "runtime_init");
    for (int i = 0; i < 2; i++) {
        struct team new = team(&both, i == 0);
        must(task_spawn(&rt, &new, &handles[i]), "task_spawn");
    }
    struct all all = all_of(handles, 2);
    must(runtime_block_on(&rt, &all), "runtime_block_on");
    for (int i = 0; i < 2; i++)
        report(&handles[i]);
    printf("The kernel was on time for all of them. A worker that is blocked polls nobody, and nobody can help it.\n");
    future_drop(&all.base);
    runtime_destroy(&rt);
    pthread_barrier_destroy(&both);
    return 0;
}
