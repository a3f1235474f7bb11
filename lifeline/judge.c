/* Runs the rules over a recording. */
#include "memory.h"
#include "rules.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define KINDS 256

struct panel { /* for each kind, the rules that are asked about it, in the order of the table */
    const struct rule *of[KINDS + 1][48];
};

static bool rule_asks(const struct rule *rule, unsigned kind)
{
    if (!rule->event)
        return false;
    for (size_t i = 0; i < sizeof rule->kinds && rule->kinds[i]; i++)
        if (rule->kinds[i] == kind)
            return true;
    return rule->kinds[0] == 0;
}

static void panel_fill(struct panel *panel)
{
    for (unsigned kind = 0; kind < KINDS; kind++) {
        size_t count = 0;

        for (const struct rule *rule = rules; rule->id; rule++)
            if (rule_asks(rule, kind))
                panel->of[kind][count++] = rule;
        panel->of[kind][count] = NULL;
    }
}

/* ---- findings */

/* One finding for each rule and task is enough. False when there is one. */
static bool is_new(struct check *c, uint32_t task)
{
    uint64_t key = (uint64_t)(c->rule - rules) << 32 | task;

    if (map_get(&c->told, key) != MAP_NONE)
        return false;
    map_put(&c->told, key, 0);
    return true;
}

/* The first finding about that task, plus one; 0 if this is going to be it. What is wrong with a thread's own order
 * also explains what comes later on that thread. */
static size_t first_blame(struct check *c, size_t event, uint32_t task)
{
    uint64_t thread = (uint64_t)1 << 32 | c->rec->events[event].thread;
    uint32_t first = map_get(&c->blamed, task ? task : thread);

    if (first != MAP_NONE)
        return (size_t)first + 1;
    if (task)
        map_put(&c->blamed, task, (uint32_t)c->finding_count);
    if (map_get(&c->blamed, thread) == MAP_NONE && (!task || c->rule->scope == RULE_OF_THREAD))
        map_put(&c->blamed, thread, (uint32_t)c->finding_count);
    return 0;
}

bool complain(struct check *c, size_t event, uint32_t task, const char *format, ...)
{
    struct finding *finding;
    va_list args;

    if (!is_new(c, task))
        return true;
    c->findings = memory_more(c->findings, c->finding_count, sizeof *c->findings);
    finding = &c->findings[c->finding_count];
    *finding = (struct finding){.rule = c->rule, .task = task, .event = event, .follows = first_blame(c, event, task)};
    c->finding_count++;
    va_start(args, format);
    vsnprintf(finding->text, sizeof finding->text, format, args);
    va_end(args);
    return true;
}

/* ---- what an incomplete recording leaves open */

/* A thread that was killed may have done one more thing than it recorded, and what other threads did after its last
 * event may follow from that. Which tasks and queues it can have touched is told by what it was in the middle of. */
static void doubt_task(struct check *c, uint32_t task, size_t since)
{
    uint32_t known = map_get(&c->tasks_known, task);

    if (task && (known == MAP_NONE || since < known))
        map_put(&c->tasks_known, task, (uint32_t)since);
}

/* It may have taken a task from a queue by the time it was killed. In a poll it does so only where workers steal. */
static bool may_have_taken(const struct model *m, uint32_t thread)
{
    const struct model_frame *top = model_top(m, thread);
    bool asleep = top && (top->kind == TRACE_PARK_BEGIN || top->kind == TRACE_SYSCALL_BEGIN);
    bool polls = model_inside(m, thread, TRACE_TASK_POLL_BEGIN);

    return m->threads[thread].takes && !asleep && (!polls || (model_features(m, thread) & TRACE_HAS_STEALING));
}

static void doubt_thread(struct check *c, const struct model *at_end, uint32_t number)
{
    const struct model_thread *thread = &at_end->threads[number];

    for (size_t i = 0; i < thread->depth; i++) { /* a wake changes the state before it records the push */
        const struct model_frame *frame = &thread->frames[i];

        doubt_task(c, frame->task, frame->kind == TRACE_WAKE_BEGIN ? frame->event : thread->last_event);
    }
    if (may_have_taken(at_end, number) && thread->last_event < c->queues_known)
        c->queues_known = thread->last_event;
}

static void find_doubts(struct check *c)
{
    struct model at_end;

    c->queues_known = c->end;
    if (c->complete)
        return;
    model_init(&at_end, c->rec);
    while (at_end.at < c->end)
        model_step(&at_end);
    for (uint32_t i = 0; i <= c->rec->threads; i++)
        if (at_end.threads[i].last_event != NO_EVENT)
            doubt_thread(c, &at_end, i);
    for (uint32_t i = 0; i < at_end.task_count; i++)
        if (at_end.tasks[i].held_by) /* taken, and perhaps running by now */
            doubt_task(c, at_end.tasks[i].number, at_end.threads[at_end.tasks[i].held_by].last_event);
    model_free(&at_end);
}

static bool can_judge(const struct check *c, const struct rule *rule, const struct event *ev)
{
    uint32_t known;

    if (c->complete || rule->scope == RULE_OF_THREAD || rule->scope == RULE_OF_END)
        return true;
    known = map_get(&c->tasks_known, ev->task);
    if (known != MAP_NONE && c->m.at > known)
        return false;
    return rule->scope != RULE_OF_QUEUE || c->m.at <= c->queues_known;
}

/* ---- running */

static void judge_event(struct check *c, const struct panel *panel)
{
    const struct event *ev = &c->rec->events[c->m.at];
    struct model_task *task = ev->task ? model_task(&c->m, ev->task) : NULL;

    if (ev->kind < KINDS)
        for (const struct rule *const *rule = panel->of[ev->kind]; *rule; rule++) {
            c->rule = *rule;
            if (can_judge(c, *rule, ev) && (*rule)->event(c, ev, task))
                break;
        }
    rules_follow(c, ev, task);
    model_step(&c->m);
}

void check_run(struct check *c, const struct recording *rec)
{
    struct panel *panel = memory_array(1, sizeof *panel);

    *c = (struct check){.rec = rec, .complete = rec->ended_in_order && rec->dropped == 0, .end = rec->whole};
    c->debts = memory_array((size_t)rec->threads + 1, sizeof *c->debts);
    model_init(&c->m, rec);
    panel_fill(panel);
    find_doubts(c);
    while (c->m.at < c->end)
        judge_event(c, panel);
    for (c->rule = rules; c->rule->id; c->rule++)
        if (c->rule->end && (c->rule->scope != RULE_OF_END || c->finding_count == 0))
            c->rule->end(c);
    free(panel);
}

void check_free(struct check *c)
{
    model_free(&c->m);
    free(c->debts);
    free(c->findings);
    map_free(&c->blamed);
    map_free(&c->told);
    map_free(&c->tasks_known);
}
