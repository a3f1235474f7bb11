#include "timer.h"

#include "trace.h"

#include <errno.h>

/* --- sleep --- */

/* An endless sleep ends at the end of the clock, not before its beginning. */
static uint64_t deadline_after(uint64_t ns)
{
    uint64_t now = trace_now();
    return ns < INT64_MAX - now ? now + ns : INT64_MAX;
}

static enum poll sleep_ends(struct sleep *self, int output)
{
    self->timer.output = output;
    return POLL_READY;
}

/* Its first poll; or the first after its runtime has ended. */
static enum poll sleep_begin(struct sleep *self, uint64_t deadline, struct context *cx)
{
    struct reactor *here = reactor_current(sleep_site(self));
    int error = reactor_add_timer(here, &self->timer, deadline < INT64_MAX ? deadline : INT64_MAX, cx,
                                  sleep_site(self));

    if (error)
        return sleep_ends(self, error);
    self->timer.reactor = here;
    return POLL_PENDING;
}

static enum poll sleep_go_on(struct sleep *self, struct context *cx)
{
    struct reactor *reactor = self->timer.reactor;

    if (reactor->runtime != reactor_current(sleep_site(self))->runtime)
        misuse(sleep_site(self), "a sleep that began in one runtime is polled in another");
    int error = reactor_renew_timer(reactor, &self->timer, cx, sleep_site(self));
    if (error == -EAGAIN)
        return POLL_PENDING;
    if (error)
        reactor_remove_timer(reactor, &self->timer, sleep_site(self));
    return sleep_ends(self, error);
}

static enum poll sleep_poll(struct future *f, struct context *cx)
{
    struct sleep *self = (struct sleep *)f;

    switch (timer_place(&self->timer)) {
    case TIMER_FOR:
        return sleep_begin(self, deadline_after(self->timer.time), cx);
    case TIMER_UNTIL:
        return sleep_begin(self, self->timer.time, cx);
    case TIMER_FIRED:
        return sleep_ends(self, 0);
    default:
        return sleep_go_on(self, cx);
    }
}

static bool sleep_is_queued(const struct sleep *self)
{
    uint32_t place = timer_place(&self->timer);
    return place != TIMER_FOR && place != TIMER_UNTIL && place != TIMER_FIRED;
}

static void sleep_drop(struct future *f)
{
    struct sleep *self = (struct sleep *)f;
    if (f->phase == FUTURE_STARTED && sleep_is_queued(self))
        reactor_remove_timer(self->timer.reactor, &self->timer, sleep_site(self));
}

FUTURE_TYPE_SHARED(sleep, sleep_poll, sleep_drop);

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
        return timeout_ends(self, self->inner, self->sleep.timer.output ? self->sleep.timer.output : -ETIMEDOUT);
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
