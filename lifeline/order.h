/* Puts the events of several threads in the order in which they happened. */
#ifndef ORDER_H
#define ORDER_H

#include "recording.h"

struct run { /* events of one thread that were written one behind the other */
    const struct event *events;
    size_t count;
    bool full; /* it ends where its chunk ends */
};

/* Writes the events of all runs into ordered, which has room for them, and sorts the runs by thread,
 * a thread's in its own order. How: see order.c. */
void order_events(struct event *ordered, struct run *runs, size_t run_count);

#endif
