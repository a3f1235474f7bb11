#include "timer.h"

#include "trace.h"
#include "wait.h"

#include <time.h>

/* Waits for the deadline or a cancel, whichever comes first; the caller holds the lock. In a loop: such a wait may end
 * for no reason at all. */
static void sleep_until_deadline(struct sleep *self)
{
    struct timespec deadline = {(time_t)(self->deadline / 1000000000), (long)(self->deadline % 1000000000)};

    while (!self->cancelled && trace_now() < self->deadline)
        pthread_cond_timedwait(&self->cancel, &self->lock, &deadline);
}

static void *sleep_thread(void *arg)
{
    struct sleep *self = arg;

    trace_thread_name("timer");
    pthread_mutex_lock(&self->lock);
    sleep_until_deadline(self);
    self->fired = true;
    if (self->cancelled)
        wait_cancel(&self->waiting, TRACE_SOURCE_THREAD, self->base.id, self->at);
    else
        wait_wake(&self->waiting, TRACE_SOURCE_THREAD, self->base.id, self->at);
    pthread_mutex_unlock(&self->lock);
    return NULL;
}

/* With the attributes used here glibc's init functions cannot fail. */
static void sleep_init_lock(struct sleep *self)
{
    pthread_condattr_t attr;

    pthread_mutex_init(&self->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&self->cancel, &attr);
    pthread_condattr_destroy(&attr);
}

static void sleep_destroy_lock(struct sleep *self)
{
    pthread_cond_destroy(&self->cancel);
    pthread_mutex_destroy(&self->lock);
}

/* Waits for the helper thread to be gone, and for its waker with it. */
static void sleep_end_thread(struct sleep *self)
{
    pthread_join(self->thread, NULL);
    sleep_destroy_lock(self);
}

/* An endless sleep ends at the end of the clock, not before its beginning. */
static uint64_t deadline_after(uint64_t ns)
{
    uint64_t now = trace_now();
    return ns < INT64_MAX - now ? now + ns : INT64_MAX;
}

static enum poll sleep_start(struct sleep *self, struct context *cx)
{
    sleep_init_lock(self);
    self->deadline = deadline_after(self->duration);
    wait_start(&self->waiting, cx, TRACE_SOURCE_THREAD, self->base.id, self->at);
    self->output = -pthread_create(&self->thread, NULL, sleep_thread, self);
    if (self->output == 0)
        return POLL_PENDING;
    wait_cancel(&self->waiting, TRACE_SOURCE_THREAD, self->base.id, self->at);
    sleep_destroy_lock(self);
    return POLL_READY;
}

/* Polled again: is it time? If not, the waker of this poll takes the place of the earlier one. */
static bool sleep_has_fired(struct sleep *self, struct context *cx)
{
    pthread_mutex_lock(&self->lock);
    bool fired = self->fired;
    if (!fired)
        wait_start(&self->waiting, cx, TRACE_SOURCE_THREAD, self->base.id, self->at);
    pthread_mutex_unlock(&self->lock);
    return fired;
}

static enum poll sleep_poll(struct future *f, struct context *cx)
{
    struct sleep *self = (struct sleep *)f;

    if (f->phase == FUTURE_FRESH)
        return sleep_start(self, cx);
    if (!sleep_has_fired(self, cx))
        return POLL_PENDING;
    sleep_end_thread(self);
    return POLL_READY;
}

static void sleep_drop(struct future *f)
{
    struct sleep *self = (struct sleep *)f;

    if (f->phase != FUTURE_STARTED)
        return;
    pthread_mutex_lock(&self->lock);
    self->cancelled = true;
    pthread_cond_signal(&self->cancel);
    pthread_mutex_unlock(&self->lock);
    sleep_end_thread(self);
}

FUTURE_TYPE(sleep, sleep_poll, sleep_drop);

struct sleep sleep_for_at(uint64_t ns, const struct site *at)
{
    struct sleep self = {.duration = ns, .at = at};
    future_init_at(&self.base, &sleep_type, at);
    return self;
}
