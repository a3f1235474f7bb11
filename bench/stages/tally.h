/* Detached tasks that add to one sum; the last of them says that all are done. */
#ifndef TALLY_H
#define TALLY_H

#include "host.h"

#include <stdatomic.h>

/* What the tasks of one run share. */
struct tally {
    atomic_ullong left; /* acq_rel, among all tasks: whoever is last sees the whole sum */
    atomic_ullong sum;  /* relaxed: orders nothing */
    sem_t done;
    uint64_t n;
};

static inline void tally_add(struct tally *tally, uint64_t value)
{
    atomic_fetch_add_explicit(&tally->sum, value, memory_order_relaxed);
    if (atomic_fetch_sub_explicit(&tally->left, 1, memory_order_acq_rel) == 1)
        sem_post(&tally->done);
}

/* A root, or a link of the chain. */
struct detached {
    struct future base;
    struct tally *tally;
    uint64_t i;
};

static inline struct detached detached(const struct future_type *type, struct tally *tally, uint64_t i)
{
    struct detached self = {.tally = tally, .i = i};
    future_init(&self.base, type);
    return self;
}

/* Spawns a root of that type, a struct detached, and waits until so many tasks have added; the value is for one of n. */
void tally_run(struct runtime *rt, struct work *work, uint64_t tasks, const struct future_type *root_type);

#endif
