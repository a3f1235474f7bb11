/* From events to rows: the story is told from front to back, keeping for each thread what it is in the middle of. */
#include "diagram.h"

#include "describe.h"
#include "diagram_builder.h"
#include "memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEFT_OUT_NAMED = 8 };

/* ---- rows ---- */

static struct row *row_add(struct builder *b)
{
    struct diagram *d = b->d;

    d->rows = memory_more(d->rows, d->row_count, sizeof *d->rows);
    return &d->rows[d->row_count++];
}

struct row *say(struct builder *b, enum row_style style, int from, int to, const char *format, ...)
{
    bool wanted = b->shown && (from == NOBODY) == (to == NOBODY);
    struct row *row = wanted ? row_add(b) : &b->nowhere;
    va_list args;

    *row = (struct row){.kind = ROW_MESSAGE,
                        .style = style,
                        .from = from,
                        .to = to,
                        .opens = NOBODY,
                        .closes = NOBODY,
                        .thread = b->ev->thread,
                        .fd = -1,
                        .event = b->at,
                        .time = b->ev->time,
                        .text = ""};
    if (!wanted)
        return row;
    if (from != NOBODY)
        row->number = ++b->d->messages;
    va_start(args, format);
    row->text = pool_vclean(&b->d->pool, format, args);
    va_end(args);
    return row;
}

size_t row_index(const struct builder *b, const struct row *row)
{
    return row == &b->nowhere ? NO_EVENT : (size_t)(row - b->d->rows);
}

struct row *row_opens(struct row *row)
{
    row->opens = row->to;
    return row;
}

struct row *row_closes(struct row *row)
{
    row->closes = row->from;
    return row;
}

/* ---- frames ---- */

struct frame *frame_push(struct builder *b, enum frame_kind kind, int actor)
{
    struct thread_state *t = b->thread;

    t->frames = memory_more(t->frames, t->depth, sizeof *t->frames);
    t->frames[t->depth] = (struct frame){
        .kind = kind, .actor = actor, .begin = b->at, .row = NO_EVENT, .shown = b->shown};
    return &t->frames[t->depth++];
}

struct frame *frame_top(struct builder *b)
{
    return b->thread->depth ? &b->thread->frames[b->thread->depth - 1] : NULL;
}

struct frame *frame_find(struct builder *b, enum frame_kind kind)
{
    for (size_t i = b->thread->depth; i-- > 0;)
        if (b->thread->frames[i].kind == kind)
            return &b->thread->frames[i];
    return NULL;
}

bool frame_pop(struct builder *b, enum frame_kind kind, struct frame *popped)
{
    struct frame *frame = frame_find(b, kind);

    if (!frame)
        return false;
    *popped = *frame;
    b->thread->depth = (size_t)(frame - b->thread->frames);
    return true;
}

/* ---- which events are wanted ---- */

static bool task_wanted(const struct builder *b, uint32_t task)
{
    if (!b->options->task_count)
        return true;
    for (size_t i = 0; i < b->options->task_count; i++)
        if (b->options->tasks[i] == task)
            return true;
    return false;
}

/* Whether a wanted task is woken before the present thread's next event of that kind. */
static bool wakes_before(const struct builder *b, unsigned kind)
{
    for (size_t i = b->at + 1; i < b->rec->count; i++) {
        const struct event *ev = &b->rec->events[i];
        if (ev->kind == TRACE_WAKE_BEGIN && task_wanted(b, ev->task))
            return true;
        if (ev->thread == b->ev->thread && ev->kind == kind)
            return false;
    }
    return true; /* the recording ends while the thread sleeps: that is worth seeing */
}

static bool idle_wanted(struct builder *b)
{
    size_t next = b->survey.next[b->at];

    switch (b->ev->kind) {
    case TRACE_TURN_BEGIN:
        return wakes_before(b, TRACE_TURN_END);
    case TRACE_PARK_BEGIN:
        return wakes_before(b, TRACE_PARK_END);
    default: /* an empty queue matters where it is the reason to sleep */
        return next != NO_EVENT &&
               (b->rec->events[next].kind == TRACE_TURN_BEGIN || b->rec->events[next].kind == TRACE_PARK_BEGIN) &&
               wakes_before(b, TRACE_TASK_POLL_BEGIN);
    }
}

/* The task that an event without one is about all the same: what the future is part of, or whose end is waited for. */
static uint32_t task_meant(const struct builder *b)
{
    const struct event *ev = b->ev;
    const struct survey_future *f;

    switch (ev->kind) {
    case TRACE_FUTURE_NEW:
    case TRACE_FUTURE_POLL_BEGIN:
    case TRACE_FUTURE_POLL_END:
    case TRACE_FUTURE_DROP:
        f = survey_future(&b->survey, ev->b);
        return f ? f->task : 0;
    case TRACE_WAIT:
    case TRACE_WAIT_END:
        return ev->a == TRACE_SOURCE_JOIN ? (uint32_t)ev->b : 0;
    default:
        return 0;
    }
}

static bool event_wanted(struct builder *b)
{
    const struct event *ev = b->ev;
    const struct frame *top = frame_top(b);

    if (b->left_out[ev->thread] || b->left_out[survey_epoll_owner(&b->survey, b->at)])
        return false;
    if (!b->options->task_count)
        return true;
    if (ev->task)
        return task_wanted(b, ev->task);
    if (ev->kind == TRACE_TURN_BEGIN || ev->kind == TRACE_PARK_BEGIN || ev->kind == TRACE_QUEUE_POP)
        return (!top || top->shown) && idle_wanted(b);
    uint32_t meant = !top || top->kind == FRAME_RUN ? task_meant(b) : 0;
    return (!top || top->shown) && (!meant || task_wanted(b, meant));
}

static void build_event(struct builder *b, size_t at)
{
    b->at = at;
    b->ev = &b->rec->events[at];
    b->thread = &b->threads[b->ev->thread];
    b->shown = event_wanted(b);
    if (b->shown)
        bands_before(b);
    tell(b);
    b->thread->last = at + 1;
    if (b->ev->kind == TRACE_WAIT_END)
        b->thread->let_go++;
    if (b->ev->kind == TRACE_WAKE_BEGIN || b->ev->kind == TRACE_WAKER_DROP)
        b->thread->let_go = 0;
}

static void builder_free(struct builder *b)
{
    for (uint32_t t = 0; t <= b->rec->threads; t++)
        free(b->threads[t].frames);
    free(b->threads);
    free(b->life);
    free(b->polls);
    free(b->queued);
    free(b->fd_heard);
    free(b->fd_reactor);
    map_free(&b->timer_reactor);
    map_free(&b->waiters);
    free(b->left_out);
    free(b->taken);
    free(b->in_hand);
    survey_free(&b->survey);
}

static const char *build_title(struct builder *b)
{
    char number[GROUPED_SIZE];
    struct diagram *d = b->d;
    const char *program = pool_clean(&d->pool, file_base(b->rec->program));

    if (!d->focus)
        return pool_format(&d->pool, "%s", program);
    const char *type = label_shown(&d->pool, pool_clean(&d->pool, task_type(b->rec, d->focus)));
    const char *task = pool_format(&d->pool, type[0] ? "task %" PRIu32 " (%s)" : "task %" PRIu32, d->focus, type);
    if (b->rec->tasks == 1 || b->options->task_count == 1)
        return pool_format(&d->pool, "%s: lifecycle of %s", program, task);
    size_t tasks = b->options->task_count ? b->options->task_count : b->rec->task_types.used;
    return pool_format(&d->pool, "%s: %s tasks; the steps are those of %s", program, format_grouped(tasks, number),
                       task);
}

/* What was asked for, if that was not everything. */
static const char *part_text(struct diagram *d, const struct diagram_options *options)
{
    char from[DESCRIBE_SIZE], to[DESCRIBE_SIZE];
    const char *part = NULL;

    if (options->task_count)
        part = pool_format(&d->pool, "Shown is only what concerns %s", options->task_count > 1 ? "tasks" : "task");
    for (size_t i = 0; i < options->task_count; i++)
        part = pool_format(&d->pool, "%s%s %" PRIu32, part, i ? "," : "", options->tasks[i]);
    if (options->from || options->to) {
        const char *until = options->to ? describe_time(options->to, to, sizeof to) : "the end";
        part = pool_format(&d->pool, "%s from %s to %s", part ? part : "Shown is only the time",
                           describe_time(options->from, from, sizeof from), until);
    }
    return part;
}

/* Workers that only wait would fill the picture: those that no shown task ever comes to are left out, and named. */
static void leave_out(struct builder *b)
{
    const struct recording *rec = b->rec;
    struct pool *pool = &b->d->pool;
    const char *names = NULL;
    unsigned count = 0;

    b->left_out = memory_array((size_t)rec->threads + 1, sizeof *b->left_out);
    for (uint32_t t = 1; t <= rec->threads; t++)
        b->left_out[t] = b->survey.workers && rec->thread_workers[t] > 0;
    for (size_t i = 0; i < rec->count; i++)
        if (rec->events[i].task && task_wanted(b, rec->events[i].task))
            b->left_out[rec->events[i].thread] = false;
    for (uint32_t t = 1; t <= rec->threads; t++) {
        if (!b->left_out[t])
            continue;
        b->survey.executors -= b->survey.executes[t];
        b->survey.reactors -= b->survey.turns[t];
        if (++count <= LEFT_OUT_NAMED)
            names = pool_format(pool, "%s%sworker-%u", names ? names : "", names ? ", " : "", rec->thread_workers[t]);
    }
    if (count)
        b->d->left_out = pool_format(pool, "%s%s", names, count > LEFT_OUT_NAMED ? ", ..." : "");
}

void diagram_build(struct diagram *d, const struct recording *rec, const struct diagram_options *options)
{
    struct builder b = {.d = d, .rec = rec, .options = options};

    *d = (struct diagram){.rec = rec};
    survey_make(&b.survey, rec);
    b.threads = memory_array((size_t)rec->threads + 1, sizeof *b.threads);
    b.life = memory_array(b.survey.task_count, sizeof *b.life);
    b.polls = memory_array(b.survey.task_count, sizeof *b.polls);
    b.queued = memory_array(b.survey.task_count, sizeof *b.queued);
    b.fd_heard = memory_array(SURVEY_MAX_FD, sizeof *b.fd_heard);
    b.fd_reactor = memory_array(SURVEY_MAX_FD, sizeof *b.fd_reactor);
    b.taken = memory_array(b.survey.task_count, sizeof *b.taken);
    b.in_hand = memory_array(b.survey.task_count, sizeof *b.in_hand);
    leave_out(&b);
    for (size_t i = 0; i < rec->count; i++)
        build_event(&b, i);
    bands_finish(&b);
    d->first = rec->count ? rec->events[0].time : 0;
    d->last = rec->count ? rec->events[rec->count - 1].time : 0;
    steps_focus(d, options);
    d->title = build_title(&b);
    builder_free(&b);
    if (options->from || options->to)
        diagram_clip(d, options->from, options->to ? options->to : UINT64_MAX);
    d->part = part_text(d, options);
    actors_arrange(d);
}

void diagram_free(struct diagram *d)
{
    free(d->actors);
    free(d->rows);
    pool_free(&d->pool);
}
