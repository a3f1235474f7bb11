#include "future.h"

static const char *future_complaint(enum future_phase phase)
{
    switch (phase) {
    case FUTURE_FINISHED:
        return "after it returned POLL_READY";
    case FUTURE_MOVED:
        return "after it was moved away";
    case FUTURE_DROPPED:
        return "after it was dropped";
    default:
        return NULL;
    }
}

void future_misused(const struct future *f, const char *what, const struct site *at)
{
    misuse(at, "future %u (%s) %s %s", f->id, future_type(f)->name, what, future_complaint(f->phase));
}
