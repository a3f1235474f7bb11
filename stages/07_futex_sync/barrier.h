/* A barrier: so many threads come, and none goes on before all have come. Then it is ready for the next round.
 *
 * It has to live until every wait on it has returned; there is nothing to destroy. */
#ifndef BARRIER_H
#define BARRIER_H

#include "site.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct barrier {
    uint32_t threads; /* in a round */
    _Atomic uint64_t arrivals;
};

/* 0, or -EINVAL if threads is 0. */
int barrier_init(struct barrier *b, uint32_t threads);

/* Waits for the others of the round. True for one of them, the last to come: it may do what has to be done once. What
 * any of them wrote before can be read by all after. More threads than make a round may come; they fill the next. */
#define barrier_wait(b) barrier_wait_at(b, SITE(#b))
bool barrier_wait_at(struct barrier *b, const struct site *at);

#endif
