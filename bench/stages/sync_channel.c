/* Stage 07: values that go from task to task. */
#include "crowd.h"
#include "mpsc.h"
#include "oneshot.h"
#include "workloads.h"

#include <stdlib.h>

/* --- ping_pong_oneshot --- */

struct ball {
    struct oneshot channel;
    uint64_t value;
};

struct exchange {
    struct ball ping, pong;
};

/* The left player serves, the right one returns what it got plus 1. */
struct player {
    struct future base;
    uint64_t output;
    struct exchange *next, *end;
    bool receives;
    struct oneshot_recv recv;
};

static void ball_send(struct ball *ball, uint64_t value)
{
    must(oneshot_send(&ball->channel, &value), "oneshot_send");
}

/* Says whether the value is there. The receive is done then. */
static bool player_receive(struct player *self, struct ball *ball, struct context *cx)
{
    if (!self->receives)
        self->recv = oneshot_recv(&ball->channel);
    self->receives = future_poll(&self->recv.base, cx) == POLL_PENDING;
    if (self->receives)
        return false;
    must(self->recv.output, "oneshot_recv");
    future_drop(&self->recv.base);
    return true;
}

static enum poll left_poll(struct future *f, struct context *cx)
{
    struct player *self = (struct player *)f;

    for (; self->next != self->end; self->next++) {
        if (!self->receives)
            ball_send(&self->next->ping, self->next->ping.value);
        if (!player_receive(self, &self->next->pong, cx))
            return POLL_PENDING;
        self->output += self->next->pong.value;
    }
    return POLL_READY;
}

FUTURE_TYPE(left, left_poll, NULL);

static enum poll right_poll(struct future *f, struct context *cx)
{
    struct player *self = (struct player *)f;

    for (; self->next != self->end; self->next++) {
        if (!player_receive(self, &self->next->ping, cx))
            return POLL_PENDING;
        ball_send(&self->next->pong, self->next->ping.value + 1);
    }
    return POLL_READY;
}

FUTURE_TYPE(right, right_poll, NULL);

static int player_spawn(struct runtime *rt, struct crowd *crowd, uint64_t i)
{
    struct exchange *all = crowd->shared;
    struct player new = {.next = all, .end = all + crowd->n};

    for (uint64_t k = 0; i == 0 && k < crowd->n; k++) {
        all[k].ping.value = k;
        oneshot_init(&all[k].ping.channel, &all[k].ping.value);
        oneshot_init(&all[k].pong.channel, &all[k].pong.value);
    }
    future_init(&new.base, i == 0 ? &left_type : &right_type);
    return task_spawn(rt, &new, &crowd->handles[i]);
}

static uint64_t player_output(void *task)
{
    return ((struct player *)task)->output;
}

static enum poll players_poll(struct future *f, struct context *cx)
{
    return crowd_poll(f, cx, &(struct crowd_kind){player_spawn, player_output});
}

FUTURE_TYPE(players, players_poll, NULL);

static void ping_pong_oneshot_on(struct runtime *rt, struct work *work)
{
    struct crowd root = crowd(&players_type, 2, work->n);
    root.shared = subject_alloc_touched(work->n, sizeof(struct exchange));
    crowd_run(&root, rt);
    crowd_answer(&root, work, "ns/round", work->n);
    free(root.shared);
}

void ping_pong_oneshot(struct work *work)
{
    host_run(work, ping_pong_oneshot_on);
}

/* --- what sends into an mpsc channel, and what receives --- */

/* One send or receive after the other, of the value that it holds. */
struct port {
    uint64_t value;
    bool busy;
    union {
        struct future future;
        struct mpsc_send send;
        struct mpsc_recv recv;
    } step;
};

/* Goes on with the step; says whether it is done. */
static bool port_step(struct port *self, struct context *cx)
{
    self->busy = future_poll(&self->step.future, cx) == POLL_PENDING;
    if (!self->busy)
        future_drop(&self->step.future);
    return !self->busy;
}

static bool port_send(struct port *self, struct mpsc *channel, struct context *cx)
{
    if (!self->busy)
        self->step.send = mpsc_send(channel, &self->value);
    return port_step(self, cx);
}

/* Done, it leaves 0 or -EPIPE in step.recv.output. */
static bool port_receive(struct port *self, struct mpsc *channel, struct context *cx)
{
    if (!self->busy)
        self->step.recv = mpsc_recv(channel, &self->value);
    return port_step(self, cx);
}

/* --- ping_pong_mpsc --- */

enum { TABLE_CAPACITY = 16 };

struct table {
    struct mpsc ping, pong;
};

struct mpsc_player {
    struct future base;
    uint64_t output;
    struct table *table;
    uint64_t i, n;
    enum { PLAYER_SENDS, PLAYER_RECEIVES } state;
    struct port port;
};

static enum poll mpsc_left_poll(struct future *f, struct context *cx)
{
    struct mpsc_player *self = (struct mpsc_player *)f;

    for (; self->i < self->n; self->i++) {
        if (self->state == PLAYER_SENDS) {
            if (!self->port.busy)
                self->port.value = self->i;
            if (!port_send(&self->port, &self->table->ping, cx))
                return POLL_PENDING;
            self->state = PLAYER_RECEIVES;
        }
        if (!port_receive(&self->port, &self->table->pong, cx))
            return POLL_PENDING;
        self->output += self->port.value;
        self->state = PLAYER_SENDS;
    }
    mpsc_drop_sender(&self->table->ping);
    return POLL_READY;
}

FUTURE_TYPE(mpsc_left, mpsc_left_poll, NULL);

static enum poll mpsc_right_poll(struct future *f, struct context *cx)
{
    struct mpsc_player *self = (struct mpsc_player *)f;

    for (; self->i < self->n; self->i++) {
        if (self->state == PLAYER_RECEIVES) {
            if (!port_receive(&self->port, &self->table->ping, cx))
                return POLL_PENDING;
            self->port.value++;
            self->state = PLAYER_SENDS;
        }
        if (!port_send(&self->port, &self->table->pong, cx))
            return POLL_PENDING;
        self->state = PLAYER_RECEIVES;
    }
    mpsc_drop_sender(&self->table->pong);
    return POLL_READY;
}

FUTURE_TYPE(mpsc_right, mpsc_right_poll, NULL);

static int mpsc_player_spawn(struct runtime *rt, struct crowd *crowd, uint64_t i)
{
    struct mpsc_player new = {.table = crowd->shared, .n = crowd->n, .state = i == 0 ? PLAYER_SENDS : PLAYER_RECEIVES};

    if (i == 0) {
        must(mpsc_init(&new.table->ping, TABLE_CAPACITY, sizeof(uint64_t)), "mpsc_init");
        must(mpsc_init(&new.table->pong, TABLE_CAPACITY, sizeof(uint64_t)), "mpsc_init");
    }
    future_init(&new.base, i == 0 ? &mpsc_left_type : &mpsc_right_type);
    return task_spawn(rt, &new, &crowd->handles[i]);
}

static uint64_t mpsc_player_output(void *task)
{
    return ((struct mpsc_player *)task)->output;
}

static enum poll mpsc_players_poll(struct future *f, struct context *cx)
{
    return crowd_poll(f, cx, &(struct crowd_kind){mpsc_player_spawn, mpsc_player_output});
}

FUTURE_TYPE(mpsc_players, mpsc_players_poll, NULL);

static void ping_pong_mpsc_on(struct runtime *rt, struct work *work)
{
    struct table table;
    struct crowd root = crowd(&mpsc_players_type, 2, work->n);

    root.shared = &table;
    crowd_run(&root, rt);
    crowd_answer(&root, work, "ns/round", work->n);
    mpsc_destroy(&table.ping);
    mpsc_destroy(&table.pong);
}

void ping_pong_mpsc(struct work *work)
{
    host_run(work, ping_pong_mpsc_on);
}

/* --- mpsc_1p, mpsc_4p --- */

enum { STREAM_CAPACITY = 1024 };

/* Task 0 receives, the others send. */
struct streamer {
    struct future base;
    uint64_t output;
    struct mpsc *channel;
    uint64_t next, end;
    struct port port;
};

static enum poll sender_poll(struct future *f, struct context *cx)
{
    struct streamer *self = (struct streamer *)f;

    for (; self->next < self->end; self->next++) {
        if (!self->port.busy)
            self->port.value = self->next;
        if (!port_send(&self->port, self->channel, cx))
            return POLL_PENDING;
    }
    mpsc_drop_sender(self->channel);
    return POLL_READY;
}

FUTURE_TYPE(sender, sender_poll, NULL);

static enum poll receiver_poll(struct future *f, struct context *cx)
{
    struct streamer *self = (struct streamer *)f;

    while (port_receive(&self->port, self->channel, cx)) {
        if (self->port.step.recv.output != 0)
            return POLL_READY; /* all senders are gone */
        self->output += self->port.value;
    }
    return POLL_PENDING;
}

FUTURE_TYPE(receiver, receiver_poll, NULL);

static int streamer_spawn(struct runtime *rt, struct crowd *crowd, uint64_t i)
{
    struct mpsc *channel = crowd->shared;
    struct streamer new = {.channel = channel, .next = (i - 1) * crowd->n, .end = i * crowd->n};

    if (i == 0)
        must(mpsc_init(channel, STREAM_CAPACITY, sizeof(uint64_t)), "mpsc_init");
    else if (i > 1) /* the first one's share is there from the start */
        mpsc_add_sender(channel);
    future_init(&new.base, i == 0 ? &receiver_type : &sender_type);
    return task_spawn(rt, &new, &crowd->handles[i]);
}

static uint64_t streamer_output(void *task)
{
    return ((struct streamer *)task)->output;
}

static enum poll streamers_poll(struct future *f, struct context *cx)
{
    return crowd_poll(f, cx, &(struct crowd_kind){streamer_spawn, streamer_output});
}

FUTURE_TYPE(streamers, streamers_poll, NULL);

static void mpsc_on(struct runtime *rt, struct work *work, uint64_t senders)
{
    struct mpsc channel;
    struct crowd root = crowd(&streamers_type, senders + 1, work->n / senders);

    root.shared = &channel;
    crowd_run(&root, rt);
    crowd_answer(&root, work, "ns/message", work->n);
    mpsc_destroy(&channel);
}

static void mpsc_1p_on(struct runtime *rt, struct work *work)
{
    mpsc_on(rt, work, 1);
}

void mpsc_1p(struct work *work)
{
    host_run(work, mpsc_1p_on);
}

static void mpsc_4p_on(struct runtime *rt, struct work *work)
{
    mpsc_on(rt, work, 4);
}

void mpsc_4p(struct work *work)
{
    host_run(work, mpsc_4p_on);
}
