/* Stage 07: the one of Tokio's scheduler workloads that needs a channel. */
#include "oneshot.h"
#include "tally.h"
#include "workloads.h"

/* Sends a ball to a task of its own, and waits for it to come back. The value of a ball does not matter. */
struct pinger {
    struct future base;
    struct tally *tally;
    struct oneshot there, back;
    uint8_t balls[2];
    struct oneshot_recv recv;
};

struct ponger {
    struct future base;
    struct pinger *pinger;
    struct oneshot_recv recv;
};

static enum poll ponger_poll(struct future *f, struct context *cx)
{
    struct ponger *self = (struct ponger *)f;

    if (f->phase == FUTURE_FRESH)
        self->recv = oneshot_recv(&self->pinger->there);
    if (future_poll(&self->recv.base, cx) == POLL_PENDING)
        return POLL_PENDING;
    future_drop(&self->recv.base);
    must(oneshot_send(&self->pinger->back, &(uint8_t){0}), "oneshot_send"); /* the pinger may be gone from here on */
    return POLL_READY;
}

FUTURE_TYPE(ponger, ponger_poll, NULL);

static void pinger_start(struct pinger *self)
{
    struct ponger ponger = {.pinger = self};

    oneshot_init(&self->there, &self->balls[0]);
    oneshot_init(&self->back, &self->balls[1]);
    future_init(&ponger.base, &ponger_type);
    must(task_spawn(runtime_current(), &ponger, NULL), "task_spawn");
    must(oneshot_send(&self->there, &(uint8_t){0}), "oneshot_send");
    self->recv = oneshot_recv(&self->back);
}

static enum poll pinger_poll(struct future *f, struct context *cx)
{
    struct pinger *self = (struct pinger *)f;

    if (f->phase == FUTURE_FRESH)
        pinger_start(self);
    if (future_poll(&self->recv.base, cx) == POLL_PENDING)
        return POLL_PENDING;
    must(self->recv.output, "oneshot_recv");
    future_drop(&self->recv.base);
    tally_add(self->tally, 1);
    return POLL_READY;
}

FUTURE_TYPE(pinger, pinger_poll, NULL);

static enum poll pingers_poll(struct future *f, struct context *cx)
{
    struct tally *tally = ((struct detached *)f)->tally;

    (void)cx;
    for (uint64_t i = 0, n = tally->n; i < n; i++) {
        struct pinger new = {.tally = tally};
        future_init(&new.base, &pinger_type);
        must(task_spawn(runtime_current(), &new, NULL), "task_spawn");
    }
    return POLL_READY;
}

FUTURE_TYPE(pingers, pingers_poll, NULL);

static void rt_ping_pong_on(struct runtime *rt, struct work *work)
{
    tally_run(rt, work, work->n, &pingers_type);
    work->unit = "ns/round";
}

void rt_ping_pong(struct work *work)
{
    host_run(work, rt_ping_pong_on);
}
