/* Gives way once: the task goes to the back of the queue, and every other task that is ready has its turn first. */
#ifndef YIELD_H
#define YIELD_H

#include "future.h"

#include <stdbool.h>

struct yield {
    struct future base;
    bool gave_way;
};

#define yield_now() yield_now_at(SITE("yield_now"))
struct yield yield_now_at(const struct site *at);

#endif
