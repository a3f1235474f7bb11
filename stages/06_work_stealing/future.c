#include "future.h"

#include "ids.h"
#include "trace.h"

void future_init_at(struct future *f, const struct future_type *type, const struct site *at)
{
    *f = (struct future){type, id_new(ID_FUTURE), FUTURE_FRESH};
    TRACE_AT(FUTURE_NEW, 0, trace_site_number(type->at), f->id, at);
}

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

enum poll future_step(struct future *f, struct context *cx, const struct site *at)
{
    if (f->phase > FUTURE_STARTED)
        misuse(at, "future %u (%s) is polled %s", f->id, f->type->name, future_complaint(f->phase));
    enum poll result = f->type->poll(f, cx);
    if (f->phase > FUTURE_STARTED)
        misuse(at, "future %u (%s) comes out of its poll %s", f->id, f->type->name, future_complaint(f->phase));
    f->phase = result == POLL_READY ? FUTURE_FINISHED : FUTURE_STARTED;
    return result;
}

enum poll future_poll_at(struct future *f, struct context *cx, const struct site *at)
{
    TRACE_AT(FUTURE_POLL_BEGIN, 0, 0, f->id, at);
    enum poll result = future_step(f, cx, at);
    TRACE_AT(FUTURE_POLL_END, 0, result, f->id, f->type->at);
    return result;
}

void future_drop_at(struct future *f, const struct site *at)
{
    if (f->phase > FUTURE_FINISHED)
        misuse(at, "future %u (%s) is dropped %s", f->id, f->type->name, future_complaint(f->phase));
    TRACE_AT(FUTURE_DROP, 0, trace_site_number(f->type->at), f->id, at);
    if (f->type->drop)
        f->type->drop(f);
    f->phase = FUTURE_DROPPED;
}
