/* A root that spawns many tasks, and joins them in order. */
#ifndef CROWD_H
#define CROWD_H

#include "host.h"

/* The root. What kind of tasks it spawns is up to the poll function of its type. */
struct crowd {
    struct future base;
    uint64_t count; /* tasks */
    uint64_t n;     /* what each is told */
    void *shared;   /* what they have in common */
    struct join_handle *handles;
    uint64_t joined;
    uint64_t sum;
    uint64_t began, ended; /* ns */
};

/* How a kind of task is spawned, and what it gave. Both are constants where crowd_poll is used, so they cost no call. */
struct crowd_kind {
    int (*spawn)(struct runtime *rt, struct crowd *crowd, uint64_t i);
    uint64_t (*output)(void *task);
};

static inline void crowd_spawn(struct crowd *self, struct runtime *rt, const struct crowd_kind *kind)
{
    self->began = clock_ns();
    for (uint64_t i = 0; i < self->count; i++)
        must(kind->spawn(rt, self, i), "task_spawn");
}

static inline enum poll crowd_join(struct crowd *self, struct context *cx, const struct crowd_kind *kind)
{
    for (; self->joined < self->count; self->joined++) {
        struct join_handle *handle = &self->handles[self->joined];
        if (future_poll(&handle->base, cx) == POLL_PENDING)
            return POLL_PENDING;
        self->sum += kind->output(join_handle_output(handle));
        future_drop(&handle->base);
    }
    self->ended = clock_ns();
    return POLL_READY;
}

static inline enum poll crowd_poll(struct future *f, struct context *cx, const struct crowd_kind *kind)
{
    struct crowd *self = (struct crowd *)f;

    if (f->phase == FUTURE_FRESH)
        crowd_spawn(self, runtime_current(), kind);
    return crowd_join(self, cx, kind);
}

/* The root of a type whose poll function uses crowd_poll or crowd_join. */
struct crowd crowd(const struct future_type *type, uint64_t count, uint64_t n);

/* Runs it, and drops it. */
void crowd_run(struct crowd *self, struct runtime *rt);

/* per: how many of the unit were done in all. */
void crowd_answer(const struct crowd *self, struct work *work, const char *unit, uint64_t per);

#endif
