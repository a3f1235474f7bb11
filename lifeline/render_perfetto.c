/* The recording as Chrome's trace events, for Perfetto and chrome://tracing: what each thread was doing, and when. */
#include "describe.h"
#include "map.h"
#include "memory.h"
#include "render.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

struct wake { /* the last one of a task that took effect and was not answered yet */
    uint64_t time;
    uint16_t thread;
};

struct slices { /* of one thread: the kinds of the events that began them, the innermost last */
    uint16_t *kinds;
    size_t depth;
};

struct perfetto {
    const struct recording *rec;
    FILE *out;
    struct slices *threads; /* [threads + 1] */
    struct map wake_of;     /* task -> index in wakes */
    struct wake *wakes;
    uint32_t wake_count;
    uint64_t flows;
    uint64_t now;
    bool begun;  /* an event was written already */
    bool failed; /* there was no memory for one, or no room in the file */
    struct pool pool;
};

/* ---- JSON: one object at a time, so that a big recording needs little memory ---- */

/* An object with what all of them have; the caller adds to it and writes it. Times are in microseconds. */
static json_t *event_new(struct perfetto *p, const char *phase, uint16_t thread, uint64_t time)
{
    return json_pack("{s:s, s:I, s:i, s:f}", "ph", phase, "pid", (json_int_t)p->rec->pid, "tid", (int)thread, "ts",
                     (double)time / 1000);
}

static void put_text(struct perfetto *p, json_t *object, const char *key, const char *text)
{
    json_object_set_new(object, key, json_string(pool_clean(&p->pool, text)));
}

static void put_args(struct perfetto *p, json_t *object, const struct event *ev)
{
    const struct place *place = event_place(p->rec, ev);
    json_t *args = json_pack("{s:I}", "event", (json_int_t)(ev - p->rec->events) + 1);
    char words[DESCRIBE_SIZE];

    put_text(p, args, "what", describe_args(p->rec, ev, words, sizeof words));
    if (place->line)
        put_text(p, args, "source", pool_format(&p->pool, "%s:%" PRIu32, place->file, place->line));
    json_object_set_new(object, "args", args);
}

/* Writes the object and gives it back. Fifteen digits are exact to the nanosecond for eleven days. */
static void event_write(struct perfetto *p, json_t *object)
{
    fputs(p->begun ? ",\n" : "", p->out);
    p->begun = true;
    p->failed |= !object || json_dumpf(object, p->out, JSON_COMPACT | JSON_REAL_PRECISION(15)) != 0;
    json_decref(object);
}

static void put_meta(struct perfetto *p, const char *what, uint16_t thread, const char *name)
{
    json_t *object = event_new(p, "M", thread, 0);
    json_t *args = json_object();

    put_text(p, object, "name", what);
    put_text(p, args, "name", name);
    json_object_set_new(object, "args", args);
    event_write(p, object);
}

/* ---- slices ---- */

/* The kind of event that ends what this one begins; 0: it begins nothing. */
static uint16_t end_of(uint16_t kind)
{
    switch (kind) {
    case TRACE_FUTURE_POLL_BEGIN:
    case TRACE_TASK_POLL_BEGIN:
    case TRACE_BLOCK_ON_BEGIN:
    case TRACE_RUN_BEGIN:
    case TRACE_WAKE_BEGIN:
    case TRACE_PARK_BEGIN:
    case TRACE_REGISTER_BEGIN:
    case TRACE_TURN_BEGIN:
    case TRACE_SYSCALL_BEGIN:
        return kind + 1;
    default:
        return 0;
    }
}

static bool is_end(uint16_t kind)
{
    return end_of((uint16_t)(kind - 1)) == kind;
}

static const char *slice_name(struct perfetto *p, const struct event *ev)
{
    const char *name;
    char task[DESCRIBE_SIZE];

    switch (ev->kind) {
    case TRACE_TASK_POLL_BEGIN:
        return pool_format(&p->pool, "poll %s", describe_task(p->rec, ev->task, task, sizeof task));
    case TRACE_FUTURE_POLL_BEGIN:
        name = future_type(p->rec, ev->b);
        return pool_format(&p->pool, "poll %s", name[0] ? name : "future");
    case TRACE_WAKE_BEGIN:
        return pool_format(&p->pool, "wake %s", describe_task(p->rec, ev->task, task, sizeof task));
    case TRACE_SYSCALL_BEGIN:
        name = event_call_name(ev->a);
        return name ? name : "system call";
    case TRACE_BLOCK_ON_BEGIN:
        return "block_on";
    case TRACE_RUN_BEGIN:
        return ev->b ? "shut down" : "run";
    case TRACE_PARK_BEGIN:
        return "park";
    case TRACE_TURN_BEGIN:
        return "reactor turn";
    default:
        return "register";
    }
}

static void slice_end(struct perfetto *p, uint16_t thread)
{
    p->threads[thread].depth--;
    event_write(p, event_new(p, "E", thread, p->now));
}

static void slice_begin(struct perfetto *p, const struct event *ev)
{
    struct slices *s = &p->threads[ev->thread];

    s->kinds = memory_more(s->kinds, s->depth, sizeof *s->kinds);
    s->kinds[s->depth++] = ev->kind;
    json_t *object = event_new(p, "B", ev->thread, p->now);
    put_text(p, object, "name", slice_name(p, ev));
    put_args(p, object, ev);
    event_write(p, object);
}

/* Ends the innermost slice of that kind and all inside it; an end without a beginning is left out. */
static void slices_end(struct perfetto *p, const struct event *ev)
{
    struct slices *s = &p->threads[ev->thread];
    size_t at = s->depth;

    while (at > 0 && end_of(s->kinds[at - 1]) != ev->kind)
        at--;
    while (at > 0 && s->depth >= at)
        slice_end(p, ev->thread);
}

/* ---- arrows from wakes to polls ---- */

static void wake_note(struct perfetto *p, const struct event *ev)
{
    if (states_before(ev->a) == states_after(ev->a))
        return; /* coalesced: another wake is the cause of the next poll */
    p->wakes = memory_more(p->wakes, p->wake_count, sizeof *p->wakes);
    p->wakes[p->wake_count] = (struct wake){p->now, ev->thread};
    map_put(&p->wake_of, ev->task, p->wake_count++);
}

static void flow_put(struct perfetto *p, const char *phase, uint16_t thread, uint64_t time)
{
    json_t *object = event_new(p, phase, thread, time);

    json_object_set_new(object, "id", json_integer((json_int_t)p->flows));
    put_text(p, object, "name", "wake");
    put_text(p, object, "cat", "wake");
    if (phase[0] == 'f')
        put_text(p, object, "bp", "e"); /* the poll that it points to contains the arrow's end */
    event_write(p, object);
}

static void wake_answered(struct perfetto *p, const struct event *ev)
{
    uint32_t wake = map_get(&p->wake_of, ev->task);

    if (wake == MAP_NONE || !p->wakes[wake].thread)
        return;
    p->flows++;
    flow_put(p, "s", p->wakes[wake].thread, p->wakes[wake].time);
    flow_put(p, "f", ev->thread, p->now);
    p->wakes[wake].thread = 0;
}

/* ---- the whole ---- */

static void put_instant(struct perfetto *p, const struct event *ev)
{
    const char *kind = event_kind_name(ev->kind);

    if (ev->kind == TRACE_NOTE)
        kind = event_place(p->rec, ev)->label;
    json_t *object = event_new(p, "i", ev->thread, p->now);
    put_text(p, object, "name", kind ? kind : pool_format(&p->pool, "kind_%u", ev->kind));
    put_text(p, object, "s", "t"); /* its scope is the thread */
    put_args(p, object, ev);
    event_write(p, object);
}

static void put_recorded(struct perfetto *p, const struct event *ev)
{
    p->now = ev->time > p->now ? ev->time : p->now; /* the order of events is right even where clocks disagree */
    if (end_of(ev->kind)) {
        slice_begin(p, ev);
        if (ev->kind == TRACE_TASK_POLL_BEGIN)
            wake_answered(p, ev);
    } else if (is_end(ev->kind)) {
        if (ev->kind == TRACE_WAKE_END)
            wake_note(p, ev);
        slices_end(p, ev);
    } else if (ev->kind != TRACE_THREAD) {
        put_instant(p, ev);
    }
    pool_reset(&p->pool);
}

static void put_names(struct perfetto *p)
{
    char name[DESCRIBE_SIZE];

    put_meta(p, "process_name", 0, p->rec->program);
    for (uint32_t t = 1; t <= p->rec->threads; t++)
        put_meta(p, "thread_name", (uint16_t)t, describe_thread(p->rec, t, name, sizeof name));
}

int render_perfetto(const struct recording *rec, FILE *out)
{
    struct perfetto p = {.rec = rec, .out = out};

    p.threads = memory_array((size_t)rec->threads + 1, sizeof *p.threads);
    fputs("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n", out);
    put_names(&p);
    for (size_t i = 0; i < rec->count; i++)
        put_recorded(&p, &rec->events[i]);
    for (uint32_t t = 1; t <= rec->threads; t++) {
        while (p.threads[t].depth) /* cut off while it lasted */
            slice_end(&p, (uint16_t)t);
        free(p.threads[t].kinds);
    }
    fputs("\n]}\n", out);
    free(p.threads);
    free(p.wakes);
    map_free(&p.wake_of);
    pool_free(&p.pool);
    return p.failed || fflush(out) || ferror(out) ? -EIO : 0;
}
