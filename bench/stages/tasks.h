/* The task that several workloads spawn, and what it is made of. */
#ifndef TASKS_H
#define TASKS_H

#include "future.h"
#include "yield.h"

#include <stdbool.h>

/* Yields in a row, for a future to hold. */
struct turns {
    uint64_t left;
    bool yielding;
    struct yield yield;
};

/* Goes on until all were taken. */
static inline enum poll turns_take(struct turns *self, struct context *cx)
{
    for (;;) {
        if (self->yielding) {
            if (future_poll(&self->yield.base, cx) == POLL_PENDING)
                return POLL_PENDING;
            future_drop(&self->yield.base);
        }
        self->yielding = self->left > 0;
        if (!self->yielding)
            return POLL_READY;
        self->left--;
        self->yield = yield_now();
    }
}

/* Yields so many times, and gives the output that it was told. */
struct yielder {
    struct future base;
    uint64_t output;
    struct turns turns;
};

struct yielder yielder(uint64_t times, uint64_t output);

#endif
