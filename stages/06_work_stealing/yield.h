/* Giving way: the other tasks have their turn. */
#ifndef YIELD_H
#define YIELD_H

#include "future.h"

/* Pending once, having woken its own task, then ready. */
struct yield {
    struct future base;
    bool gave_way;
};

extern const struct future_type yield_type;

#define yield_now() yield_now_at(SITE("yield_now"))
static inline struct yield yield_now_at(const struct site *at)
{
    struct yield self;

    future_init_at(&self.base, &yield_type, at);
    self.gave_way = false;
    return self;
}

#endif
