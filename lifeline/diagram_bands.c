/* Phases. A band ends where the state of the shown tasks changes: they are set up; some can run; all of them wait.
 * Without tasks, futures are created, polled and dropped by hand. What a band is called is only known at its end. */
#include "diagram_builder.h"

#include <string.h>

static const char *run_title(struct builder *b)
{
    struct band_state *band = &b->band;
    struct pool *pool = &b->d->pool;
    const char *end = band->polls == 0               ? ""
                      : band->pending == band->polls ? " and suspension"
                      : band->last_ready             ? " and completion"
                                                     : "";

    if (band->woken)
        return pool_format(pool, "wake%s%s", band->polls > 1 ? ", polls" : "", end);
    bool first = band->runs == 1 && (band->pending == band->polls || band->polls == 1);
    return pool_format(pool, "%s%s%s", first ? "first " : "", band->polls == 1 ? "poll" : "polls", end);
}

static const char *band_title(struct builder *b)
{
    switch (b->band.kind) {
    case BAND_SETUP:
        if (b->band.runtimes == 0)
            return b->band.spawns ? "spawn" : "the program";
        return b->band.spawns ? "setup and spawn" : "setup";
    case BAND_RUN:
        return run_title(b);
    case BAND_WAIT:
        return b->band.events ? "wait and event" : "wait";
    case BAND_CREATE:
        return "create";
    case BAND_POLL:
        return "poll";
    case BAND_DROP:
        return "drop";
    default:
        return "";
    }
}

static uint8_t band_tint(const struct band_state *band)
{
    switch (band->kind) {
    case BAND_RUN:
        return band->woken ? TINT_WAKE : TINT_RUN;
    case BAND_POLL:
        return TINT_RUN;
    case BAND_WAIT:
        return TINT_WAIT;
    case BAND_DROP:
        return TINT_WAKE;
    default:
        return TINT_SETUP;
    }
}

static void band_close(struct builder *b)
{
    if (b->band.kind == BAND_NONE)
        return;
    struct row *row = &b->d->rows[b->band.row];
    row->text = band_title(b);
    row->tint = band_tint(&b->band);
}

static void band_enter(struct builder *b, enum band_kind kind)
{
    struct band_state *band = &b->band;

    if (band->kind == kind)
        return;
    band_close(b);
    struct row *row = say(b, STYLE_CALL, NOBODY, NOBODY, "%s", "");
    row->kind = ROW_BAND;
    row->number = band->number + 1;
    *band = (struct band_state){
        .kind = kind, .row = row_index(b, row), .number = band->number + 1, .runs = band->runs + (kind == BAND_RUN)};
}

static void life_set(struct builder *b, enum task_life life)
{
    uint8_t *now = &b->life[survey_task(&b->survey, b->ev->task)];

    if (*now == TASK_OVER)
        return;
    b->runnable += (life == TASK_RUNNABLE) - (uint64_t)(*now == TASK_RUNNABLE);
    b->waiting += (life == TASK_WAITING) - (uint64_t)(*now == TASK_WAITING);
    *now = (uint8_t)life;
}

/* With a runtime its tasks are gone, whatever they still waited for. */
static void band_forget(struct builder *b)
{
    for (size_t i = 0; i < b->survey.task_count; i++)
        b->life[i] = b->life[i] ? TASK_OVER : TASK_UNKNOWN;
    b->runnable = b->waiting = 0;
}

/* The program starts something new. */
static void band_afresh(struct builder *b)
{
    const struct frame *top = frame_top(b);

    if (!top || top->kind == FRAME_RUN)
        band_enter(b, BAND_SETUP);
}

static void band_poll_end(struct builder *b)
{
    bool ready = b->ev->b == 1, queued = b->ev->a >> 16 & TRACE_STATE_QUEUED;

    life_set(b, ready ? TASK_OVER : queued ? TASK_RUNNABLE : TASK_WAITING);
    b->band.pending += !ready;
    b->band.last_ready = ready;
}

static void band_idle(struct builder *b)
{
    if ((b->band.kind == BAND_RUN || b->band.kind == BAND_SETUP) && b->runnable == 0 && b->waiting > 0)
        band_enter(b, BAND_WAIT);
}

static void band_by_hand(struct builder *b, enum band_kind kind)
{
    if (!b->survey.has_tasks && !frame_top(b))
        band_enter(b, kind);
}

static void band_wake(struct builder *b)
{
    life_set(b, TASK_RUNNABLE);
    if (b->band.kind != BAND_WAIT)
        return;
    band_enter(b, BAND_RUN);
    b->band.woken = true;
}

void bands_before(struct builder *b)
{
    switch (b->ev->kind) {
    case TRACE_THREAD:
        break;
    case TRACE_RUNTIME:
        band_forget(b);
        band_afresh(b);
        b->band.runtimes++;
        break;
    case TRACE_BLOCK_ON_BEGIN:
        band_afresh(b);
        break;
    case TRACE_RUN_BEGIN:
        if (!b->ev->b)
            band_afresh(b);
        break;
    case TRACE_TASK_SPAWN:
        if (b->band.kind == BAND_NONE)
            band_enter(b, BAND_SETUP);
        life_set(b, TASK_RUNNABLE);
        b->band.spawns++;
        break;
    case TRACE_TASK_POLL_BEGIN:
        life_set(b, TASK_RUNNABLE);
        band_enter(b, BAND_RUN);
        b->band.polls++;
        break;
    case TRACE_TASK_POLL_END:
        band_poll_end(b);
        break;
    case TRACE_TASK_CANCELLED:
        life_set(b, TASK_OVER);
        break;
    case TRACE_WAKE_BEGIN:
        band_wake(b);
        break;
    case TRACE_QUEUE_POP:
        if (!b->ev->task)
            band_idle(b);
        break;
    case TRACE_PARK_BEGIN:
    case TRACE_TURN_BEGIN:
        band_idle(b);
        break;
    case TRACE_READY:
    case TRACE_TIMER_FIRE:
        b->band.events++;
        break;
    case TRACE_FUTURE_NEW:
        band_by_hand(b, BAND_CREATE);
        break;
    case TRACE_FUTURE_POLL_BEGIN:
        band_by_hand(b, BAND_POLL);
        break;
    case TRACE_FUTURE_DROP:
        band_by_hand(b, BAND_DROP);
        break;
    default:
        break;
    }
    if (b->band.kind == BAND_NONE && b->ev->kind != TRACE_THREAD)
        band_enter(b, BAND_SETUP);
}

void bands_finish(struct builder *b)
{
    band_close(b);
}
