/* How much a task may do in one poll. A task that always finds something to read would never say Pending, and its worker
 * would run nothing else. So every leaf future that could go on at once spends one unit first, and when there is none
 * left says Pending, having woken its own task: the task goes to the back of the queue. */
#ifndef BUDGET_H
#define BUDGET_H

#include "future.h"

#include <stdbool.h>

enum { BUDGET_PER_POLL = 128 };

/* A new poll begins on this thread. */
void budget_start(void);

/* Spends one unit. False: there is none left; the task of cx is woken, and the future says Pending. On a thread that is
 * no worker's there is no end to it. */
bool budget_spend(struct context *cx);

#endif
