/* Puts the events of several threads in the order in which they happened. */
#ifndef ORDER_H
#define ORDER_H

#include "recording.h"

struct run { /* events of one thread that lie one behind the other, and whose times do not fall */
    const struct event *events;
    size_t count;
};

/* Writes the events of all runs into ordered, which has room for them. Sorts the runs. How: see merge.c and order.c. */
void order_events(struct event *ordered, struct run *runs, size_t run_count);

/* The first half of it: by the clocks alone. */
void merge_runs(struct event *ordered, struct run *runs, size_t run_count);

#endif
