#include "timer.h"

#include "trace.h"
#include "wait.h"

#include <errno.h>

/* --- sleep --- */

/* An endless sleep ends at the end of the clock, not before its beginning. */
static uint64_t deadline_after(uint64_t ns)
{
    uint64_t now = trace_now();
    return ns < INT64_MAX - now ? now + ns : INT64_MAX;
}

static enum poll sleep_poll(struct future *f, struct context *cx)
{
    struct sleep *self = (struct sleep *)f;

    if (timer_has_fired(&self->timer))
        return POLL_READY;
    struct reactor *here = reactor_current(self->at);
    if (!self->reactor || self->timer.is_orphan)
        self->reactor = here;
    self->timer.is_orphan = false;
    if (self->reactor->runtime != here->runtime)
        misuse(self->at, "a sleep that began in one runtime is polled in another");
    if (self->timer.deadline == 0)
        self->timer.deadline = deadline_after(self->duration);
    return reactor_poll_timer(self->reactor, &self->timer, cx, self->at);
}

static void sleep_drop(struct future *f)
{
    struct sleep *self = (struct sleep *)f;
    if (f->phase == FUTURE_STARTED && !self->timer.is_orphan && !timer_has_fired(&self->timer))
        reactor_remove_timer(self->reactor, &self->timer, self->at);
}

FUTURE_TYPE(sleep, sleep_poll, sleep_drop);

struct sleep sleep_for_at(uint64_t ns, const struct site *at)
{
    struct sleep self = {.duration = ns, .at = at};
    future_init_at(&self.base, &sleep_type, at);
    self.timer.number = self.base.id;
    return self;
}

struct sleep sleep_until_at(uint64_t ns, const struct site *at)
{
    struct sleep self = sleep_for_at(0, at);
    uint64_t deadline = ns < INT64_MAX ? ns : INT64_MAX;
    self.timer.deadline = deadline ? deadline : 1; /* 0 would mean: not yet known */
    return self;
}

/* --- timeout --- */

static enum poll timeout_ends(struct timeout *self, struct future *loser, int output)
{
    self->output = output;
    future_drop(loser);
    return POLL_READY;
}

static enum poll timeout_poll(struct future *f, struct context *cx)
{
    struct timeout *self = (struct timeout *)f;

    if (future_poll(self->inner, cx) == POLL_READY)
        return timeout_ends(self, &self->sleep.base, 0);
    if (future_poll(&self->sleep.base, cx) == POLL_READY)
        return timeout_ends(self, self->inner, -ETIMEDOUT);
    return POLL_PENDING;
}

static void timeout_drop(struct future *f)
{
    struct timeout *self = (struct timeout *)f;

    if (self->inner->phase != FUTURE_DROPPED)
        future_drop(self->inner);
    if (self->sleep.base.phase != FUTURE_DROPPED)
        future_drop(&self->sleep.base);
}

FUTURE_TYPE(timeout, timeout_poll, timeout_drop);

struct timeout timeout_after_at(uint64_t ns, struct future *inner, const struct site *at)
{
    struct timeout self = {.inner = inner, .sleep = sleep_for_at(ns, at)};
    future_init_at(&self.base, &timeout_type, at);
    return self;
}

/* --- interval --- */

static enum poll tick_poll(struct future *f, struct context *cx)
{
    struct tick *self = (struct tick *)f;
    struct interval *interval = self->interval;

    if (future_poll(&self->sleep.base, cx) == POLL_PENDING)
        return POLL_PENDING;
    uint64_t now = trace_now();
    self->output = now < interval->next ? 0 : 1 + (now - interval->next) / interval->period;
    interval->next += self->output * interval->period;
    return POLL_READY;
}

static void tick_drop(struct future *f)
{
    struct tick *self = (struct tick *)f;
    future_drop(&self->sleep.base);
}

FUTURE_TYPE(tick, tick_poll, tick_drop);

struct interval interval_every(uint64_t ns)
{
    uint64_t period = ns ? ns : 1;
    return (struct interval){.period = period, .next = deadline_after(period)};
}

struct tick interval_tick_at(struct interval *interval, const struct site *at)
{
    struct tick self = {.interval = interval, .sleep = sleep_until_at(interval->next, at)};
    future_init_at(&self.base, &tick_type, at);
    return self;
}
