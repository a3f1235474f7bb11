/* Participants: which there are, what they are called, and in which order their columns stand. */
#include "diagram_builder.h"
#include "memory.h"

#include <stdlib.h>
#include <string.h>

enum { MANY = 10 }; /* more of one kind than this share a single column */

const char *file_base(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

const char *type_name(const struct builder *b, uint16_t type)
{
    const char *label = b->rec->places[type].label;

    return label[0] ? label : "future";
}

static size_t actors_of(const struct diagram *d, enum actor_kind kind)
{
    size_t count = 0;

    for (size_t i = 0; i < d->actor_count; i++)
        count += d->actors[i].kind == kind;
    return count;
}

static bool many_tasks(const struct builder *b)
{
    size_t shown = b->options->task_count ? b->options->task_count : b->rec->task_types.used;

    return shown > MANY || actors_of(b->d, ACTOR_TASK) >= MANY; /* tasks may lack their TASK_SPAWN */
}

static int actor_find(const struct diagram *d, enum actor_kind kind, uint64_t number)
{
    for (size_t i = 0; i < d->actor_count; i++)
        if (d->actors[i].kind == kind && d->actors[i].number == number)
            return (int)i;
    return NOBODY;
}

static int actor_add(struct diagram *d, struct actor actor)
{
    actor.name = label_shown(&d->pool, pool_clean(&d->pool, actor.name));
    actor.detail = label_shown(&d->pool, pool_clean(&d->pool, actor.detail));
    d->actors = memory_more(d->actors, d->actor_count, sizeof *d->actors);
    d->actors[d->actor_count] = actor;
    return (int)d->actor_count++;
}

static int actor_alone(struct diagram *d, enum actor_kind kind, const char *name, const char *short_name,
                       const char *detail)
{
    int found = actor_find(d, kind, 0);

    return found != NOBODY ? found : actor_add(d, (struct actor){kind, 0, name, short_name, detail, 0, false});
}

static int actor_crowd(struct diagram *d, enum actor_kind kind, const char *name, const char *short_name, size_t count)
{
    char number[GROUPED_SIZE];
    int found = actor_find(d, kind, ACTOR_ALL);

    if (found != NOBODY)
        return found;
    const char *detail = count ? pool_format(&d->pool, "%s of them", format_grouped(count, number)) : "";
    return actor_add(d, (struct actor){kind, ACTOR_ALL, name, short_name, detail, 0, false});
}

static const char *thread_name(const struct builder *b, uint64_t thread)
{
    const char *name = b->rec->thread_names[thread];

    return name && name[0] ? name : NULL;
}

static const char *capitalised(struct diagram *d, const char *name)
{
    char first = name[0] >= 'a' && name[0] <= 'z' ? (char)(name[0] - 'a' + 'A') : name[0];

    return pool_format(&d->pool, "%c%s", first, name + 1);
}

/* What fits over a column of text: the thread's name as far as it is made of small letters, or its number. */
static const char *thread_short_name(struct diagram *d, const char *name, uint64_t thread)
{
    size_t letters = name ? strspn(name, "abcdefghijklmnopqrstuvwxyz") : 0;

    if (letters < 2)
        return pool_format(&d->pool, "thr%u", (unsigned)thread);
    return pool_format(&d->pool, "%.*s", letters < 5 ? (int)letters : 5, name);
}

int actor_helper(struct builder *b, uint64_t thread)
{
    struct diagram *d = b->d;

    if (thread == 0 || thread > b->rec->threads)
        return NOBODY;
    enum actor_kind kind = thread == 1 ? ACTOR_USER : ACTOR_HELPER;
    int found = actor_find(d, kind, thread);
    if (found != NOBODY)
        return found;
    if (thread != 1 && (b->survey.helper_actors > MANY || actors_of(d, ACTOR_HELPER) >= MANY))
        return actor_crowd(d, ACTOR_HELPER, "Threads", "thrds", b->survey.helper_actors);
    const char *name = thread_name(b, thread);
    const char *full = name ? capitalised(d, name) : thread == 1 ? "Main" : NULL;
    return actor_add(d, (struct actor){kind, thread, full ? full : pool_format(&d->pool, "Thread %u", (unsigned)thread),
                                       thread == 1 ? "main" : thread_short_name(d, name, thread), "", 0, false});
}

int actor_user(struct builder *b)
{
    return b->ev->worker ? actor_executor(b) : actor_helper(b, b->ev->thread);
}

/* "Executor" alone; with several threads that do the same, the thread is named; of workers, always the worker. */
static int actor_of_thread(struct builder *b, enum actor_kind kind, unsigned thread, size_t count)
{
    struct diagram *d = b->d;
    bool executor = kind == ACTOR_EXECUTOR;
    const char *what = executor ? "Executor" : "Reactor", *short_name = executor ? "exec" : "react";
    unsigned worker = b->rec->thread_workers[thread];
    int found = actor_find(d, kind, thread);

    if (found != NOBODY)
        return found;
    const char *name = thread_name(b, thread);
    struct actor actor = {kind, thread, what, short_name, "", worker, false};
    if (worker)
        actor.name = pool_format(&d->pool, "Worker-%u %s", worker, executor ? "executor" : "reactor");
    else if (count > 1)
        actor.name = name ? pool_format(&d->pool, "%s (%s)", what, name)
                          : pool_format(&d->pool, "%s (thread %u)", what, thread);
    if (worker || count > 1)
        actor.short_name = pool_format(&d->pool, "%.4s%u", short_name, worker ? worker : thread);
    return actor_add(d, actor);
}

int actor_executor_of(struct builder *b, unsigned thread)
{
    size_t count = b->survey.executors;

    if (count > MANY)
        return actor_crowd(b->d, ACTOR_EXECUTOR, "Executors", "exec", count);
    if (!b->survey.executes[thread] && count > 0) { /* a call from outside: to the first there is */
        for (size_t i = 0; i < b->d->actor_count; i++)
            if (b->d->actors[i].kind == ACTOR_EXECUTOR)
                return (int)i;
    }
    return actor_of_thread(b, ACTOR_EXECUTOR, thread, count);
}

int actor_executor(struct builder *b)
{
    return actor_executor_of(b, b->ev->thread);
}

int actor_reactor_of(struct builder *b, unsigned thread)
{
    size_t count = b->survey.reactors;

    if (!thread)
        thread = b->ev->thread;
    if (count > MANY)
        return actor_crowd(b->d, ACTOR_REACTOR, "Reactors", "react", count);
    if (!b->survey.turns[thread] && count > 0) {
        for (size_t i = 0; i < b->d->actor_count; i++)
            if (b->d->actors[i].kind == ACTOR_REACTOR)
                return (int)i;
    }
    return actor_of_thread(b, ACTOR_REACTOR, thread, count);
}

int actor_reactor(struct builder *b)
{
    return actor_reactor_of(b, 0);
}

/* The type's name, and the file that it is written in. */
static const char *type_detail(struct builder *b, uint16_t type)
{
    const struct place *place = &b->rec->places[type];

    if (!type)
        return "";
    return pool_format(&b->d->pool, "%s, %s", type_name(b, type), file_base(place->file));
}

int actor_task(struct builder *b, uint32_t task)
{
    struct diagram *d = b->d;

    int found = actor_find(d, ACTOR_TASK, task);
    if (found != NOBODY)
        return found;
    if (many_tasks(b))
        return actor_crowd(d, ACTOR_TASK, "Tasks", "tasks",
                           b->options->task_count ? b->options->task_count : b->rec->task_types.used);
    return actor_add(d, (struct actor){ACTOR_TASK, task, pool_format(&d->pool, "Task %u", task),
                                       pool_format(&d->pool, task < 100 ? "task%u" : "t%u", task),
                                       type_detail(b, b->survey.task_types[survey_task(&b->survey, task)]), 0, false});
}

int actor_future(struct builder *b, uint64_t number)
{
    struct diagram *d = b->d;
    const struct survey_future *f = survey_future(&b->survey, number);
    uint64_t column = survey_future_column(&b->survey, number);

    if (!column)
        return f && f->task ? actor_task(b, f->task) : NOBODY;
    if (b->survey.future_actors > MANY)
        return actor_crowd(d, ACTOR_FUTURE, "Futures", "futs", b->survey.future_actors);
    int found = actor_find(d, ACTOR_FUTURE, column);
    if (found != NOBODY)
        return found;
    return actor_add(d, (struct actor){ACTOR_FUTURE, column, pool_format(&d->pool, "Future %u", (unsigned)column),
                                       pool_format(&d->pool, "fut%u", (unsigned)column),
                                       type_detail(b, survey_future(&b->survey, column)->type), 0, false});
}

int actor_queue(struct builder *b, uint64_t number)
{
    struct diagram *d = b->d;
    int found = actor_find(d, ACTOR_QUEUE, number);
    uint16_t owner = survey_queue_owner(&b->survey, number);

    if (owner)
        return actor_executor_of(b, owner);
    if (found != NOBODY)
        return found;
    if (actors_of(d, ACTOR_QUEUE) >= MANY)
        return actor_crowd(d, ACTOR_QUEUE, "More queues", "queues", 0);
    bool remote = number < SURVEY_QUEUES && b->survey.forwards[number] && !b->survey.runs[number];
    if (b->survey.workers)
        return actor_add(d, (struct actor){ACTOR_QUEUE, number, "Global queue", "global", "", 0, false});
    return actor_add(d, (struct actor){ACTOR_QUEUE, number, remote ? "Remote queue" : "Run queue",
                                       remote ? "remote" : "queue", "", 0, false});
}

int actor_kernel(struct builder *b)
{
    return actor_alone(b->d, ACTOR_KERNEL, "OS kernel", "kernel", "system calls");
}

int actor_peer(struct builder *b)
{
    return actor_alone(b->d, ACTOR_PEER, "Peer", "peer", "inferred");
}

int actor_now(struct builder *b)
{
    struct frame *top = frame_top(b);
    int now = top ? top->actor : actor_user(b);

    if (b->d->actors[now].kind == ACTOR_HELPER)
        actor_lives_here(b, now);
    return now;
}

void actor_lives_here(struct builder *b, int actor)
{
    const struct place *place = event_place(b->rec, b->ev);

    if (actor != NOBODY && !b->d->actors[actor].detail[0] && place->line)
        b->d->actors[actor].detail = label_shown(&b->d->pool, pool_clean(&b->d->pool, file_base(place->file)));
}

static int actor_compare(const void *left, const void *right)
{
    const struct actor *a = *(struct actor *const *)left, *b = *(struct actor *const *)right;

    if (a->worker && b->worker && a->worker != b->worker) /* both are executor or reactor */
        return a->worker < b->worker ? -1 : 1;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    return a->number < b->number ? -1 : a->number > b->number;
}

/* What would be called the same is numbered. */
static void names_part(struct diagram *d)
{
    for (size_t i = 0; i < d->actor_count; i++) {
        struct actor *first = &d->actors[i];
        unsigned same = 1;
        for (size_t j = i + 1; j < d->actor_count; j++) {
            struct actor *other = &d->actors[j];
            if (strcmp(first->name, other->name) != 0)
                continue;
            other->name = pool_format(&d->pool, "%s %u", other->name, ++same);
            other->short_name = pool_format(&d->pool, "%.4s%u", other->short_name, same);
        }
        if (same > 1) {
            first->name = pool_format(&d->pool, "%s 1", first->name);
            first->short_name = pool_format(&d->pool, "%.4s1", first->short_name);
        }
    }
}

static int moved(const int *place_of, int actor)
{
    return actor == NOBODY ? NOBODY : place_of[actor];
}

void actors_arrange(struct diagram *d)
{
    struct actor **order = memory_array(d->actor_count, sizeof *order);
    struct actor *arranged = memory_array(d->actor_count, sizeof *arranged);
    int *place_of = memory_array(d->actor_count, sizeof *place_of);
    size_t kept = 0;

    for (size_t i = 0; i < d->row_count; i++)
        if (d->rows[i].from != NOBODY)
            d->actors[d->rows[i].from].used = d->actors[d->rows[i].to].used = true;
    for (size_t i = 0; i < d->actor_count; i++)
        if (d->actors[i].used)
            order[kept++] = &d->actors[i];
    if (kept)
        qsort(order, kept, sizeof *order, actor_compare);
    for (size_t i = 0; i < kept; i++) {
        arranged[i] = *order[i];
        place_of[order[i] - d->actors] = (int)i;
    }
    for (size_t i = 0; i < d->row_count; i++) {
        struct row *row = &d->rows[i];
        row->from = moved(place_of, row->from);
        row->to = moved(place_of, row->to);
        row->opens = moved(place_of, row->opens);
        row->closes = moved(place_of, row->closes);
    }
    free(d->actors);
    free(order);
    free(place_of);
    d->actors = arranged;
    d->actor_count = kept;
    names_part(d);
}
