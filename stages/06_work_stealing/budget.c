/* Source: Tokio's "cooperative scheduling" (task::coop). */
#include "budget.h"

static _Thread_local unsigned left;
static _Thread_local bool limited;

void budget_start(void)
{
    limited = true;
    left = BUDGET_PER_POLL;
}

bool budget_spend(struct context *cx)
{
    if (!limited)
        return true;
    if (left > 0) {
        left--;
        return true;
    }
    waker_wake_by_ref(cx->waker);
    return false;
}
